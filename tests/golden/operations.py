"""The golden cases of single operations."""

import numpy as np
import tensorflow as tf
from golden.compare import OP, PIXELS, Row, relative, unequal
from golden.recipe import Case
from pycocotools import mask as coco_mask

from tfmask.data.transforms import box_frame_mask
from tfmask.losses.detection import mask_sum
from tfmask.ops import boxes as box_ops
from tfmask.ops.masks import mask_targets, select_class
from tfmask.ops.roi_align import roi_align


def detectron2_roialign(case: Case) -> list[Row]:
    features = case.normal("roialign/features", (2, 8, 50, 68)).transpose(0, 2, 3, 1)
    boxes = case.expected["boxes_in"]
    images = np.arange(len(boxes), dtype=np.int32) % 2
    rows = []
    for key in sorted(case.expected):
        if key == "boxes_in":
            continue
        # out_aligned{0,1}_sampling{0,2}_{7,14}
        _, aligned, sampling, size = key.split("_")
        pooled = roi_align(
            tf.constant(features),
            tf.constant(boxes),
            tf.constant(images),
            int(size),
            4.0,
            int(sampling.removeprefix("sampling")),
            aligned == "aligned1",
        )
        rows.append(relative(key, nchw(pooled)[:, ::2], case.expected[key], OP))
    return rows


def detectron2_losses(case: Case) -> list[Row]:
    expected = case.expected
    proposals, gt_boxes = expected["proposals"], expected["gt_boxes"]
    count = len(proposals)
    deltas = box_ops.encode(gt_boxes, proposals, (10.0, 10.0, 5.0, 5.0))
    masks = [ellipse_in_frame(box, 120, 160, box, 112) for box in gt_boxes]
    targets = mask_targets(
        tf.constant(np.stack(masks)), tf.constant(gt_boxes), tf.constant(proposals), 28
    )
    wanted = np.unpackbits(expected["mask_targets"])[: count * 784]
    wanted = wanted.reshape(count, 28, 28)
    logits = case.normal("losses/mask_logits", (count, 5, 28, 28)).transpose(0, 2, 3, 1)
    labels = tf.constant(expected["gt_classes"] + 1, tf.int32)
    chosen = select_class(tf.constant(logits), labels)
    loss = mask_sum(chosen, tf.constant(wanted, tf.float32)) / count
    return [
        relative("deltas", deltas, expected["deltas"], OP),
        unequal(
            "mask_targets",
            (targets.numpy() >= 0.5).astype(np.uint8)[None],
            wanted[None],
            PIXELS,
            "of pixels",
        ),
        relative("loss_mask", loss, expected["loss_mask"], OP),
    ]


def nchw(value) -> np.ndarray:
    """From our layout to the stored one."""
    return np.asarray(value).transpose(0, 3, 1, 2)


def ellipse(ellipse_box, height, width):
    """The bitmap of the ellipse inscribed in a box: `[height, width]` uint8."""
    x1, y1, x2, y2 = (float(v) for v in ellipse_box)
    y, x = np.mgrid[:height, :width] + 0.5
    across = (x - (x1 + x2) / 2) / ((x2 - x1) / 2)
    down = (y - (y1 + y2) / 2) / ((y2 - y1) / 2)
    return (across**2 + down**2 <= 1).astype(np.uint8)


def ellipse_in_frame(ellipse_box, height, width, box, resolution):
    """The bitmap of the ellipse inscribed in a box, in the frame of a box."""
    inside = ellipse(ellipse_box, height, width)
    code = coco_mask.encode(np.asfortranarray(inside))
    code["counts"] = code["counts"].decode()
    return box_frame_mask(code, height, width, box, resolution)
