"""Where the names of instances stand in a picture."""

import cv2
import numpy as np

from tfmask.evaluation import lettering

_HIDDEN = 0.05  # share of a name that may lie on small instances


def font_scale(canvas: np.ndarray) -> float:
    """OpenCV's font scale that suits a picture of this size."""
    return float(np.clip(max(canvas.shape[:2]) / 1600, 0.4, 0.9))


def name_area(canvas: np.ndarray) -> int:
    """Pixels that a name of usual length takes."""
    w, h, base = lettering.measure("person 0.99", font_scale(canvas))
    return w * (h + base)


def draw_names(canvas: np.ndarray, small, boxes, texts, colours, order) -> None:
    """Writes at each box the first of its texts for which there is room, or none.

    Args:
      canvas: [H, W, 3] uint8 RGB, drawn on in place.
      small: [H, W] bool, the small instances, of which a name covers little.
      boxes: [n, 4] x1, y1, x2, y2, pixels.
      texts: n lists of texts, the longest first.
      colours: n colours of what lies behind the names.
      order: the n indices: names that come first take the room of those behind them.
    """
    scale = font_scale(canvas)
    used = np.zeros(canvas.shape[:2], bool)
    for i in order:
        for text in texts[i]:
            w, h, base = lettering.measure(text, scale)
            w, h = w + 4, h + base + 2
            spot = free_spot(used, small, boxes[i], w, h)
            if spot is not None:
                break
        else:
            continue
        x, y = spot
        used[y : y + h, x : x + w] = True
        cv2.rectangle(canvas, (x, y), (x + w - 1, y + h - 1), colours[i], cv2.FILLED)
        lettering.write(canvas, text, (x + 2, y + h - base), scale, (0, 0, 0))


def free_spot(used: np.ndarray, small: np.ndarray, box, w: int, h: int):
    """Corner (x, y) for a name: around the box, last inside it; or None.

    Args:
      used: [H, W] bool, where names stand already.
      small: [H, W] bool, the small instances.
      box: x1, y1, x2, y2.
      w, h: pixels of the name.
    """
    height, width = used.shape
    x1, y1, x2, y2 = box
    left = max(x1 if x1 + w <= width else min(x2, width) - w, 0)
    for x, y in ((left, y1 - h), (left, y2), (x2, y1), (x1 - w, y1), (left, y1)):
        x, y = round(x), round(y)
        if x < 0 or y < 0 or y + h > height or x + w > width:
            continue
        spot = (slice(y, y + h), slice(x, x + w))
        if not used[spot].any() and small[spot].mean() <= _HIDDEN:
            return x, y
    return None
