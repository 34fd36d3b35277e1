"""Sampling rois, running box heads, and the losses of boxes."""

import tensorflow as tf

from tfmask.losses import detection as losses
from tfmask.ops import boxes as box_ops
from tfmask.ops import sampling
from tfmask.ops.distribute import cross_replica_sum
from tfmask.structures import Proposals, RoISamples, Targets

_SALT = 2


def sample_rois(proposals: Proposals, targets: Targets, settings, seeds) -> RoISamples:
    """Draws the rois that train the heads (Fast R-CNN sec. 2.3).

    Args:
      proposals: of the RPN.
      targets: ground truth.
      settings: fields of config.RoIConfig.
      seeds: `[B, 2]` int64, one pair an image.

    Returns:
      RoISamples, N = the smaller of settings.batch and the number of candidates.
      Foreground first. A background box that lies mostly in a crowd region is left out.
    """

    def one_image(args):
        boxes, usable, gt_boxes, gt_labels, crowd, gt_valid, seed = args
        plain = gt_valid & ~crowd
        if settings.add_ground_truth:
            boxes = tf.concat([gt_boxes, boxes], axis=0)
            usable = tf.concat([plain, usable], axis=0)
        _, best, index = sampling.match(boxes, gt_boxes, plain)
        fg = best >= settings.fg_iou
        bg = ~fg & (best >= settings.bg_iou_low)
        bg &= ~sampling.in_crowd(boxes, gt_boxes, gt_valid & crowd, settings.crowd_ioa)
        labels = tf.where(bg, sampling.BACKGROUND, sampling.IGNORE)
        labels = tf.where(fg, sampling.FOREGROUND, labels)
        labels = tf.where(usable, labels, sampling.IGNORE)
        chosen, is_fg, valid = sampling.draw(
            labels, settings.batch, settings.fg_fraction, seed
        )
        matches = tf.gather(index, chosen)
        classes = tf.where(is_fg, tf.gather(gt_labels, matches), 0)
        return tf.gather(boxes, chosen), classes, matches, valid

    boxes, labels, matches, valid = tf.map_fn(
        one_image,
        (
            proposals.boxes,
            proposals.valid,
            targets.boxes,
            targets.labels,
            targets.crowd,
            targets.valid,
            seeds + [0, _SALT],
        ),
        fn_output_signature=(tf.float32, tf.int32, tf.int32, tf.bool),
    )
    return RoISamples(tf.stop_gradient(boxes), labels, matches, valid)


def box_losses(
    class_logits, deltas, rois, labels, gt_boxes, *, weights, beta: float
) -> dict:
    """Class and box loss of packed rois (Fast R-CNN Eq. 1).

    Args:
      class_logits: `[M, K + 1]` float32.
      deltas: `[M, K, 4]`, or `[M, 1, 4]` if class-agnostic.
      rois: `[M, 4]`, pixels.
      labels: `[M]` int32, 0 for background.
      gt_boxes: `[M, 4]`, the matched instance's box.
      weights: of the deltas.
      beta: of smooth L1.

    Returns:
      `box_class` and `box_regression`, scalars divided by the number of rois over all
      replicas.
    """
    count = cross_replica_sum(tf.cast(tf.shape(labels)[0], tf.float32))
    count = tf.maximum(count, 1.0)
    row = tf.zeros_like(labels) if deltas.shape[1] == 1 else tf.maximum(labels - 1, 0)
    chosen = tf.gather(deltas, row, axis=1, batch_dims=1)  # [M, 4]
    wanted = box_ops.encode(gt_boxes, rois, weights)
    return {
        "box_class": losses.class_sum(class_logits, labels) / count,
        "box_regression": losses.box_sum(chosen, wanted, labels > 0, beta) / count,
    }
