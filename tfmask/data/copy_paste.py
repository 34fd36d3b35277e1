"""Instances of a second image on an example (Ghiasi et al. 2021, sec. 3).

The edges of what is pasted are sharp: the paper finds blending of no use.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from tfmask.data.augment import Paste
from tfmask.data.box_frames import InstanceMasks
from tfmask.data.dataset import ImageRecord
from tfmask.data.views import View
from tfmask.data.visible import Cover, Seen, seen_instances

_FINEST = 512  # cells of an outline along a side of its box


class Pasted(NamedTuple):
    """What was pasted."""

    boxes: np.ndarray  # [n, 4] float32 in the frame of the example
    labels: np.ndarray  # [n] int32
    masks: np.ndarray  # [n, R, R] uint8
    cover: Cover  # what it hides


def paste_instances(
    record: ImageRecord,
    image: np.ndarray,
    paste: Paste,
    out: np.ndarray,
    resolution: int,
    min_visible: float,
) -> Pasted | None:
    """Draws instances of a second image on an example.

    Args:
      record: the second image.
      image: its pixels, [H, W, C] uint8.
      paste: which instances, and where.
      out: [height, width, C] uint8, the example; changed in place.
      resolution: R of the masks.
      min_visible: an instance of which the view shows a smaller share is not pasted.

    Returns:
      None where nothing of it lies in the view.
    """
    chosen = np.zeros(len(record.labels), bool)
    chosen[paste.chosen] = True
    record, view = record.select(chosen), paste.view
    seen = seen_instances(record, view, resolution, min_visible)
    if not len(seen.indices):
        return None
    y, x = paste.offset
    bitmap = np.zeros(out.shape[:2], np.uint8)
    height, width = view.shape
    place = slice(y, y + height), slice(x, x + width)
    for mask, box in zip(_outlines(record, view, seen), seen.boxes):
        _draw_mask(mask, box, bitmap[place])
    pixels = np.empty((height, width, out.shape[2]), np.uint8)
    view.draw(image, pixels)
    cv2.copyTo(pixels, bitmap[place], out[place])
    boxes = seen.boxes + np.array([x, y, x, y], np.float32)
    labels = record.labels[seen.indices]
    return Pasted(boxes, labels, seen.masks, Cover(bitmap, boxes))


def _outlines(record: ImageRecord, view: View, seen: Seen) -> np.ndarray:
    """[n, S, S] masks as fine as the pixels that they are to cut out."""
    resolution = seen.masks.shape[1]
    longest = math.ceil((seen.boxes[:, 2:] - seen.boxes[:, :2]).max())
    finer = min(longest, _FINEST)
    if finer <= resolution:
        return seen.masks
    masks = InstanceMasks(
        tuple(record.segmentations[k] for k in seen.indices),
        view.image_boxes(seen.boxes),
        np.ones(len(seen.indices), bool),
        record.height,
        record.width,
    ).compute(finer, view.mirrors_masks)
    return np.ascontiguousarray(view.turn_masks(masks))


def _draw_mask(mask: np.ndarray, box: np.ndarray, bitmap: np.ndarray) -> None:
    """Sets the pixels of a box-frame mask to 255 in a bitmap [H, W] uint8."""
    x1, y1, x2, y2 = (float(v) for v in box)
    left, top = math.floor(x1), math.floor(y1)
    part = bitmap[top : math.ceil(y2), left : math.ceil(x2)]
    cells_x, cells_y = mask.shape[1] / (x2 - x1), mask.shape[0] / (y2 - y1)
    to_mask = np.array(
        [
            [cells_x, 0, (left + 0.5 - x1) * cells_x - 0.5],
            [0, cells_y, (top + 0.5 - y1) * cells_y - 0.5],
        ]
    )
    drawn = cv2.warpAffine(
        mask,
        to_mask,
        part.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    # Zeros lie around the mask: beyond its border less than a half is left.
    part[drawn > 127] = 255
