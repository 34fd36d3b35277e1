"""Masks from their box frame to the image.

The value at a pixel is the bilinear sample of the S x S probabilities at the pixel's
centre, cells outside the frame counting 0; a pixel belongs to the mask at 0.5 or more.
That is what Detectron2's and Tensorpack's pasting do, without the full-size float
images in between: each mask is sampled on the pixels of its own box only, first along
one axis, then along the other, and goes straight into a run-length code.
"""

import math

import numpy as np

from tfmask.evaluation.rle import rle_from_crop


def _blend_rows(cells: np.ndarray, start: float, end: float, pixels: np.ndarray):
    """Linear interpolation between the rows of `cells` at pixel centres.

    The centre p + 0.5 of a pixel, at the fraction f of the box, lies at f * S - 0.5
    when the centres of the S rows are the whole numbers.

    Args:
      cells: [S + 2, n] float32, the S rows between two rows of zeros.
      start, end: the box along this axis.
      pixels: [p] int, with centres inside the box.

    Returns:
      [p, n] float32.
    """
    side = len(cells) - 2
    position = (pixels + 0.5 - start) / (end - start) * side + 0.5  # of S + 2 rows
    lower = np.clip(position.astype(int), 0, side)
    share = (position - lower).astype(np.float32)[:, None]
    values = cells[lower] * (1 - share)
    values += cells[lower + 1] * share
    return values


def _covered(start: float, end: float, limit: int) -> np.ndarray:
    """Pixels whose centre lies in [start, end], inside the image.

    Beyond the box the outermost cell weighs less than one half, so that no pixel
    outside can reach the threshold.
    """
    first = max(math.ceil(start - 0.5), 0)
    last = min(math.floor(end - 0.5), limit - 1)
    return np.arange(first, last + 1)


def paste_mask(probs: np.ndarray, box, size, threshold: float = 0.5) -> dict:
    """Places one mask in the image.

    Args:
      probs: [S, S] float, probabilities in the frame of the box.
      box: (x1, y1, x2, y2), pixels of the image, finite.
      size: (height, width) of the image.
      threshold: a pixel is in the mask at this value or more.

    Returns:
      Run-length code `{"size": [height, width], "counts": str}`; empty when the box
      has no area or covers no pixel centre of the image.
    """
    height, width = int(size[0]), int(size[1])
    x1, y1, x2, y2 = (float(v) for v in box)
    if x2 <= x1 or y2 <= y1:
        return rle_from_crop(np.zeros((1, 1), bool), 0, 0, (height, width))
    columns, rows = _covered(x1, x2, width), _covered(y1, y2, height)
    if not len(columns) or not len(rows):
        return rle_from_crop(np.zeros((1, 1), bool), 0, 0, (height, width))
    # No matrix products: their thread pool gets in the way of TensorFlow's. First down,
    # then across and transposed, because run-length codes go down the columns.
    cells = _blend_rows(np.pad(np.float32(probs), 1), y1, y2, rows)  # [rows, S + 2]
    values = _blend_rows(np.ascontiguousarray(cells.T), x1, x2, columns)
    return rle_from_crop(
        values >= np.float32(threshold), int(columns[0]), int(rows[0]), (height, width)
    )


def paste_masks(probs: np.ndarray, boxes: np.ndarray, size) -> list[dict]:
    """`paste_mask` for [n, S, S] probabilities and [n, 4] boxes."""
    return [paste_mask(one, box, size) for one, box in zip(probs, boxes)]
