"""The instances of an image that a view shows, and what of them is in sight.

Where an instance is seen whole, its box-frame mask is that of the image, turned; it
does not depend on the scale. Where the view's border or something pasted hides a part,
the box shrinks to what is left, and the mask is made anew in that box.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from tfmask.data.box_frames import InstanceMasks
from tfmask.data.dataset import ImageRecord
from tfmask.data.views import View

_TOLERANCE = 1e-3  # pixels, by which a box may lie outside: the rounding of float32
_IN_SIGHT = 64  # coverage, 0..255, from which on a cell counts for the box
_SAMPLES = 4  # of a cell in each direction, at most
_SMALLEST = 1.0  # pixels: a side of a part that is kept


class Seen(NamedTuple):
    """Instances in the frame of a view. n of them."""

    indices: np.ndarray  # [n] int, of the record
    boxes: np.ndarray  # [n, 4] float32 x1 y1 x2 y2, inside the view
    masks: np.ndarray  # [n, R, R] uint8; zeros for regions to ignore


class Cover(NamedTuple):
    """What hides the instances below it."""

    bitmap: np.ndarray  # [height, width] uint8 of the view, 0 or 255
    boxes: np.ndarray  # [p, 4], that hold all of it

    def meets(self, boxes: np.ndarray) -> np.ndarray:
        """[n] bool: the [n, 4] boxes that overlap one of these."""
        low = np.maximum(boxes[:, None, :2], self.boxes[None, :, :2])
        high = np.minimum(boxes[:, None, 2:], self.boxes[None, :, 2:])
        return (high > low).all(2).any(1)


def seen_instances(
    record: ImageRecord,
    view: View,
    resolution: int,
    min_visible: float,
    cover: Cover | None = None,
) -> Seen:
    """The instances that a view shows, in the order of the record.

    Args:
      record: the image.
      view: of it.
      resolution: R of the masks.
      min_visible: a share of the instance's area; where less is in sight it is dropped.
      cover: what lies above the instances.
    """
    whole = view.boxes(record.boxes)  # may reach beyond the view
    height, width = view.shape
    boxes = np.clip(whole, 0, [width, height, width, height]).astype(np.float32)
    kept = (boxes[:, 2:] > boxes[:, :2]).all(1)
    objects = kept & ~record.crowd
    changed = (np.abs(boxes - whole) > _TOLERANCE).any(1)
    if cover is not None:
        changed |= cover.meets(boxes)
    # A region to ignore that is cut stays one, if anything is left of it.
    sides = boxes[:, 2:] - boxes[:, :2]
    kept &= objects | ~changed | (sides >= _SMALLEST).all(1)
    changed &= objects
    masks = np.zeros((len(boxes), resolution, resolution), np.uint8)
    masks[objects] = _box_frames(record, view, record.boxes, objects, resolution)
    if changed.any():
        in_sight, boxes[changed] = _what_is_left(
            masks[changed], whole[changed], view.shape, min_visible, cover
        )
        kept[changed] = in_sight
        changed &= kept
        image_boxes = record.boxes.copy()
        image_boxes[changed] = view.image_boxes(boxes[changed])
        anew = _box_frames(record, view, image_boxes, changed, resolution)
        if cover is not None:
            _hide(anew, boxes[changed], cover)
        masks[changed] = anew
    indices = np.flatnonzero(kept)
    return Seen(indices, boxes[indices], masks[indices])


def _box_frames(record, view: View, boxes, chosen, resolution: int) -> np.ndarray:
    """Masks of the chosen instances in boxes of the image, as the view has them."""
    indices = np.flatnonzero(chosen)
    if not len(indices):
        return np.zeros((0, resolution, resolution), np.uint8)
    masks = InstanceMasks(
        tuple(record.segmentations[k] for k in indices),
        boxes[indices],
        np.ones(len(indices), bool),
        record.height,
        record.width,
    ).compute(resolution, view.mirrors_masks)
    return np.ascontiguousarray(view.turn_masks(masks))


def _what_is_left(masks, boxes, shape, min_visible: float, cover: Cover | None):
    """What is in sight of instances that are hidden in part.

    Args:
      masks: [n, R, R] uint8 in the whole boxes.
      boxes: [n, 4], whole.
      shape: (height, width) of the view.
      min_visible: see `seen_instances`.
      cover: likewise.

    Returns:
      in_sight: [n] bool, whether enough is.
      boxes: [n, 4] float32 of what is. A side moves where something hides what
        reaches it, and stays as annotated where not.
    """
    resolution = masks.shape[1]
    left = masks.copy()
    if cover is not None:
        _hide(left, boxes, cover)
    whole = masks.sum((1, 2), dtype=np.float64)
    result = np.array(boxes, np.float64)
    shares = []
    for axis, limit in ((0, shape[1]), (1, shape[0])):  # columns, then rows
        low, high = boxes[:, axis, None], boxes[:, axis + 2, None]
        edges = low + (high - low) * (np.arange(resolution + 1) / resolution)
        inside = np.clip(edges, 0, limit)
        cell = np.maximum((high - low) / resolution, 1e-9)
        shares.append((inside[:, 1:] - inside[:, :-1]) / cell)
    columns, rows = shares
    area = np.einsum("nr,nrc,nc->n", rows, left.astype(np.float32), columns)
    in_sight = area >= np.maximum(min_visible * whole, 1e-9)
    solid = left >= _IN_SIGHT
    solid &= (rows > 0)[:, :, None] & (columns > 0)[:, None, :]
    before = masks >= _IN_SIGHT
    for axis, limit in ((0, shape[1]), (1, shape[0])):
        other = 1 + axis  # of [n, R, R]: along the columns, rows are summed
        now, then = solid.any(other), before.any(other)
        in_sight &= now.any(1)
        cell = (boxes[:, axis + 2] - boxes[:, axis]) / resolution
        first, last = now.argmax(1), resolution - now[:, ::-1].argmax(1)
        start, end = boxes[:, axis] + first * cell, boxes[:, axis] + last * cell
        moved = first != then.argmax(1)
        result[:, axis] = np.where(moved, start, result[:, axis])
        moved = last != resolution - then[:, ::-1].argmax(1)
        result[:, axis + 2] = np.where(moved, end, result[:, axis + 2])
        for side in (axis, axis + 2):
            result[:, side] = np.clip(result[:, side], 0, limit)
    in_sight &= (result[:, 2:] - result[:, :2] >= _SMALLEST).all(1)
    return in_sight, result.astype(np.float32)


def _hide(masks: np.ndarray, boxes: np.ndarray, cover: Cover) -> None:
    """Takes what is covered out of [n, R, R] masks in their boxes, in place."""
    for k in np.flatnonzero(cover.meets(boxes)):
        hidden = box_coverage(cover.bitmap, boxes[k], masks.shape[1])
        masks[k] = cv2.multiply(masks[k], 255 - hidden, scale=1 / 255)


def box_coverage(bitmap: np.ndarray, box, resolution: int) -> np.ndarray:
    """A bitmap in the frame of a box, averaged as `transforms.box_frame_mask` does.

    But for large boxes: no cell has more than 4 x 4 samples. OpenCV's interpolation
    knows 1/32 of a pixel.

    Args:
      bitmap: [H, W] uint8, 0..255.
      box: x1, y1, x2, y2, with sides; it may reach beyond the bitmap.
      resolution: R.

    Returns:
      [R, R] uint8.
    """
    x1, y1, x2, y2 = (float(v) for v in box)
    columns, rows = (
        min(max(math.ceil(side / resolution), 1), _SAMPLES) * resolution
        for side in (x2 - x1, y2 - y1)
    )
    step_x, step_y = (x2 - x1) / columns, (y2 - y1) / rows
    to_bitmap = np.array(
        [
            [step_x, 0, x1 + 0.5 * step_x - 0.5],
            [0, step_y, y1 + 0.5 * step_y - 0.5],
        ]
    )
    samples = cv2.warpAffine(
        bitmap,
        to_bitmap,
        (columns, rows),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if samples.shape == (resolution, resolution):
        return samples
    return cv2.resize(samples, (resolution,) * 2, interpolation=cv2.INTER_AREA)
