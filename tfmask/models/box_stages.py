"""Sampling rois, running box heads, and the losses of boxes."""

from typing import NamedTuple

import tensorflow as tf

from tfmask.losses import detection as losses
from tfmask.models.packing import pack
from tfmask.ops import boxes as box_ops
from tfmask.ops import sampling
from tfmask.ops.distribute import cross_replica_sum
from tfmask.ops.masks import InstanceTargets
from tfmask.structures import Proposals, RoISamples, Targets

_SALT = 2


class BoxPredictions(NamedTuple):
    """What the box head says of the proposals of a batch; zero where none is."""

    logits: tf.Tensor  # [B, N, K + 1] float32, channel 0 the background
    scores: tf.Tensor  # [B, N, K] float32, probabilities
    boxes: tf.Tensor  # [B, N, K, 4] float32, pixels, not clipped; [B, N, 1, 4] for all
    valid: tf.Tensor  # [B, N] bool


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
        labels, index = _candidates(boxes, usable, gt_boxes, crowd, gt_valid, settings)
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


def match_again(boxes, samples: RoISamples, targets: Targets, settings) -> RoISamples:
    """Labels the boxes predicted on samples by their own overlaps; draws none anew.

    Args:
      boxes: `[B, N, 4]` float32, pixels.
      samples: where they were predicted.
      targets: ground truth.
      settings: fields of config.RoIConfig.

    Returns:
      RoISamples of `boxes`; what `sample_rois` would not draw from is not valid.
    """

    def one_image(args):
        boxes, usable, gt_boxes, gt_labels, crowd, gt_valid = args
        kinds, index = _candidates(boxes, usable, gt_boxes, crowd, gt_valid, settings)
        fg = kinds == sampling.FOREGROUND
        return tf.where(fg, tf.gather(gt_labels, index), 0), index, kinds >= 0

    labels, matches, valid = tf.map_fn(
        one_image,
        (
            boxes,
            samples.valid,
            targets.boxes,
            targets.labels,
            targets.crowd,
            targets.valid,
        ),
        fn_output_signature=(tf.int32, tf.int32, tf.bool),
    )
    return RoISamples(tf.stop_gradient(boxes), labels, matches, valid)


def boxes_of_class(deltas, labels, rois, weights, max_log_scale: float) -> tf.Tensor:
    """The boxes that packed deltas predict for one class of each roi.

    Args:
      deltas: `[M, K, 4]`, or `[M, 1, 4]` if class-agnostic.
      labels: `[M]` int32, 1..K.
      rois: `[M, 4]` float32, pixels.
      weights, max_log_scale: see ops.boxes.decode.

    Returns:
      `[M, 4]` float32, pixels, not clipped. No gradient.
    """
    chosen = tf.gather(deltas, _rows(deltas, labels), axis=1, batch_dims=1)
    return tf.stop_gradient(box_ops.decode(chosen, rois, weights, max_log_scale))


def instance_targets(samples: RoISamples, targets: Targets, boxes) -> InstanceTargets:
    """The instances of the foreground samples, to be seen through packed `boxes`."""
    fg = pack(samples.valid & (samples.labels > 0))
    instance = tf.stack([fg.images, fg.take(samples.matches)], axis=1)
    return InstanceTargets(
        tf.gather_nd(targets.masks, instance),
        tf.gather_nd(targets.boxes, instance),
        boxes,
        fg.take(samples.labels),
    )


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
    chosen = tf.gather(deltas, _rows(deltas, labels), axis=1, batch_dims=1)  # [M, 4]
    wanted = box_ops.encode(gt_boxes, rois, weights)
    return {
        "box_class": losses.class_sum(class_logits, labels) / count,
        "box_regression": losses.box_sum(chosen, wanted, labels > 0, beta) / count,
    }


def _candidates(boxes, usable, gt_boxes, crowd, gt_valid, settings):
    """Of one image: the kind of each box, and the instance it overlaps most."""
    plain = gt_valid & ~crowd
    _, best, index = sampling.match(boxes, gt_boxes, plain)
    fg = best >= settings.fg_iou
    bg = ~fg & (best >= settings.bg_iou_low)
    bg &= ~sampling.in_crowd(boxes, gt_boxes, gt_valid & crowd, settings.crowd_ioa)
    kinds = tf.where(bg, sampling.BACKGROUND, sampling.IGNORE)
    kinds = tf.where(fg, sampling.FOREGROUND, kinds)
    return tf.where(usable, kinds, sampling.IGNORE), index


def _rows(deltas, labels):
    """The row of each roi's class; of background, any."""
    if deltas.shape[1] == 1:
        return tf.zeros_like(labels)
    return tf.maximum(labels - 1, 0)
