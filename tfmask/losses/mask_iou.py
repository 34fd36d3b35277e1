"""What the MaskIoU head is trained on (Mask Scoring R-CNN sec. 3.2)."""

import tensorflow as tf

from tfmask.ops.masks import InstanceTargets


def mask_iou_targets(logits: tf.Tensor, targets: InstanceTargets) -> tf.Tensor:
    """IoU of each predicted mask with its whole instance.

    The prediction is the cells with a probability above one half; the authors' code
    compares logits with 0.5, a probability of 0.62. What of the instance
    lies outside the roi, where no mask can reach, counts in the union: the instance's
    cells in the roi are divided by the share of its area that they stand for.

    Args:
      logits: `[M, T, T]` of each roi's class.
      targets: the instances. M may be zero.

    Returns:
      `[M]` float32, 0..1. No gradient.
    """
    predicted = tf.cast(logits > 0, tf.float32)
    true = targets.at(logits.shape[1])
    seen = tf.reduce_sum(true, axis=[1, 2])
    common = tf.reduce_sum(predicted * true, axis=[1, 2])
    whole = seen / tf.maximum(share_in_roi(targets), 1e-10)
    union = tf.reduce_sum(predicted, axis=[1, 2]) + whole - common
    return tf.stop_gradient(common / tf.maximum(union, 1.0))


def share_in_roi(targets: InstanceTargets) -> tf.Tensor:
    """The share of each instance's area that lies inside its roi, `[M]` float32.

    Exact for the stored coverage: cells that the roi's border cuts count in part. Zero
    where the instance has no area.
    """
    coverage = tf.cast(targets.masks, tf.float32)  # [M, R, R]
    cells = tf.shape(coverage)[-1]
    columns = _inside(targets, cells, 0)
    rows = _inside(targets, cells, 1)
    inside = tf.einsum("mij,mi,mj->m", coverage, rows, columns)
    return tf.math.divide_no_nan(inside, tf.reduce_sum(coverage, axis=[1, 2]))


def mask_iou_sum(predicted: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Half the squared error over the rois whose mask meets its instance at all.

    Args:
      predicted: `[M]` of each roi's class.
      targets: `[M]`, 0..1.

    Returns:
      Scalar: the sum over the rois with `targets` above zero. The authors divide it by
      the number of these rois.
    """
    errors = tf.where(targets > 0, predicted - targets, 0.0)
    return 0.5 * tf.reduce_sum(tf.square(errors))


def _inside(targets, cells, axis):
    """How much of each column (axis 0) or row (1) of cells the roi covers, `[M, R]`."""
    count = tf.cast(cells, tf.float32)
    start, end = targets.boxes[:, axis], targets.boxes[:, axis + 2]
    scale = count / tf.maximum(end - start, 1e-6)
    low = ((targets.rois[:, axis] - start) * scale)[:, None]
    high = ((targets.rois[:, axis + 2] - start) * scale)[:, None]
    cell = tf.range(count)
    covered = tf.minimum(high, cell + 1.0) - tf.maximum(low, cell)
    return tf.clip_by_value(covered, 0.0, 1.0)
