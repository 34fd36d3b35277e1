"""Resizing, flipping, and ground-truth masks in the frame of their box."""

import cv2
import numpy as np

from tfmask.data.coco import segmentation as seg


def resized_shape(
    height: int, width: int, short_side: float, max_side: float
) -> tuple[int, int]:
    """(height, width) with the shorter side at `short_side`, the longer at most at
    `max_side`, sides rounded to the nearest pixel, at least 1."""
    scale = short_side / min(height, width)
    if scale * max(height, width) > max_side:
        scale = max_side / max(height, width)
    return max(int(height * scale + 0.5), 1), max(int(width * scale + 0.5), 1)


def resize_image(
    image: np.ndarray, height: int, width: int, out: np.ndarray | None = None
) -> np.ndarray:
    """Bilinear, pixel centres at half integers. `out`: [height, width, C], optional."""
    if image.shape[:2] == (height, width):
        if out is None:
            return image
        out[:] = image
        return out
    resized = cv2.resize(image, (width, height), out, interpolation=cv2.INTER_LINEAR)
    # OpenCV drops the last axis where there is one channel.
    return resized.reshape(height, width, -1) if out is None else out


def flip_boxes(boxes: np.ndarray, width: float) -> np.ndarray:
    """Mirrors [n, 4] boxes in an image of the given width."""
    return np.stack(
        [width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1
    )


def box_frame_mask(
    segmentation, height: int, width: int, box, resolution: int
) -> np.ndarray:
    """The instance inside its own box, as coverage: what the mask targets come from.

    The mask, bilinear between pixel centres as RoIAlign reads it, is averaged over
    each of the R x R cells that divide the box. It does not depend on the scale of the
    image, and mirroring the image mirrors it.

    Args:
      segmentation: `Polygons` or `RLE` (or their JSON form, which is checked).
      height, width: the original image's, pixels.
      box: [4] x1, y1, x2, y2 in pixels of the original image, fractional, inside it.
      resolution: R.

    Returns:
      [R, R] uint8, 0 (outside) to 255 (covered).
    """
    segmentation, _ = seg.parse(segmentation, height, width)
    x1, y1, x2, y2 = (float(v) for v in box)
    # A pixel more on each side, for the interpolation.
    left, top = max(int(x1) - 1, 0), max(int(y1) - 1, 0)
    right, bottom = min(int(x2) + 2, width), min(int(y2) + 2, height)
    window = seg.decode_window(segmentation, height, width, (left, top, right, bottom))
    rows = _average_rows(window, y1 - top, y2 - top, resolution)
    cells = _average_rows(rows.T, x1 - left, x2 - left, resolution)
    return (cells.T * 255 + 0.5).astype(np.uint8)


def _average_rows(
    values: np.ndarray, low: float, high: float, cells: int
) -> np.ndarray:
    """Averages of the rows' bilinear interpolation over `cells` parts of [low, high).

    `values`: [rows, columns]. Returns [cells, columns] float32.
    """
    samples = max(int(np.ceil((high - low) / cells)), 1)
    count = cells * samples
    # Row i has its centre at i + 0.5; beyond the outer centres it continues.
    position = low - 0.5 + (np.arange(count) + 0.5) * ((high - low) / count)
    position = np.clip(position, 0, len(values) - 1)
    first = np.minimum(position.astype(np.int64), max(len(values) - 2, 0))
    second = np.minimum(first + 1, len(values) - 1)
    weight = (position - first).astype(np.float32)[:, None]
    values = values.astype(np.float32, copy=False)
    mixed = values[first]
    mixed += (values[second] - mixed) * weight
    if samples == 1:
        return mixed
    return mixed.reshape(cells, samples, -1).mean(1)
