"""How boxes are coded, matched and drawn: the stages' settings that have no weights.

B images, A anchors, N rois, G ground-truth instances, M packed rois, K classes.
"""

import math
from dataclasses import dataclass

import keras
import tensorflow as tf

from tfmask.layers.part import Rule, one_of
from tfmask.models.packing import map_images
from tfmask.ops import anchors as anchor_ops
from tfmask.ops import boxes as box_ops
from tfmask.ops import sampling
from tfmask.ops.gathers import take_rows
from tfmask.structures import Proposals, RoISamples, Targets, level_stride

# Added to the seed, so that anchors and rois are drawn independently.
ANCHOR_SALT, ROI_SALT = 1, 2


@keras.saving.register_keras_serializable(package="tfmask")
@dataclass(frozen=True, kw_only=True)
class BoxCoder(Rule):
    """Boxes as deltas to other boxes (Faster R-CNN Eq. 2).

    Args:
      regression_weights: (wx, wy, ww, wh) that deltas are multiplied by.
      max_log_scale: upper bound on dw and dh when decoding.
    """

    regression_weights: tuple = (10.0, 10.0, 5.0, 5.0)
    max_log_scale: float = math.log(1000 / 16)

    def encode(self, boxes: tf.Tensor, rois: tf.Tensor):
        """Deltas `[..., 4]` that turn `rois` into `boxes`, both `[..., 4]` pixels."""
        return box_ops.encode(boxes, rois, self.regression_weights)

    def decode(self, deltas: tf.Tensor, rois: tf.Tensor):
        """Boxes `[..., 4]` pixels, not clipped; `rois` broadcast against `deltas`."""
        return box_ops.decode(deltas, rois, self.regression_weights, self.max_log_scale)

    def decode_class(self, deltas: tf.Tensor, labels: tf.Tensor, rois: tf.Tensor):
        """The boxes that packed deltas predict for one class of each roi.

        Args:
          deltas: `[M, K, 4]`, or `[M, 1, 4]` if class-agnostic.
          labels: `[M]` integer, 1..K.
          rois: `[M, 4]` float32, pixels.

        Returns:
          `[M, 4]` float32, pixels, not clipped. No gradient.
        """
        return tf.stop_gradient(self.decode(of_class(deltas, labels), rois))


@keras.saving.register_keras_serializable(package="tfmask")
@dataclass(frozen=True, kw_only=True)
class AnchorGenerator(Rule):
    """Anchors of a feature pyramid; see ops.anchors.

    Args:
      sizes: side in pixels of the square anchor of each level, fine to coarse.
      ratios: height / width of the anchors of a cell.
      rounding: `none`, `integer` or `legacy`, see ops.anchors.cell_anchors.

    Raises:
      ValueError: an unknown rounding.
    """

    sizes: tuple = (32.0, 64.0, 128.0, 256.0, 512.0)
    ratios: tuple = (0.5, 1.0, 2.0)
    rounding: str = "none"

    def __post_init__(self):
        one_of("rounding", self.rounding, ("none", "integer", "legacy"))

    def of(self, pyramid: dict, images) -> list[tf.Tensor]:
        """Anchors `[A_l, 4]` of each level for a batch of padded images.

        Args:
          pyramid: dict of `[B, H, W, C]` by level name.
          images: `[B, H, W, channels]`.
        """
        return anchor_ops.pyramid_anchors(
            [tf.unstack(tf.shape(feature)[1:3]) for feature in pyramid.values()],
            tf.unstack(tf.shape(images)[1:3]),
            self.sizes,
            self.ratios,
            [level_stride(name) for name in pyramid],
            self.rounding,
        )


@keras.saving.register_keras_serializable(package="tfmask")
@dataclass(frozen=True, kw_only=True)
class AnchorMatcher(Rule):
    """Which anchors are foreground and background (Faster R-CNN sec. 3.1.2).

    Args:
      fg_iou: an anchor that overlaps an instance by so much is foreground.
      bg_iou: an anchor that overlaps every instance by less is background.
      low_quality: an instance's best anchor, where that overlaps it by less than
        bg_iou: `win` makes it foreground, `lose` leaves it background (Tensorpack).
      inside_only: anchors that leave the image take no part.
      match: where inside_only holds, an instance's best anchor is sought among `all`
        anchors (maskrcnn-benchmark) or among those `inside` the image (Tensorpack).
      crowd_ioa: share of an anchor inside a crowd region that keeps it from being
        background; above 1: crowd regions are like any ground.

    Raises:
      ValueError: an unknown word.
    """

    fg_iou: float = 0.7
    bg_iou: float = 0.3
    low_quality: str = "win"
    inside_only: bool = False
    match: str = "all"
    crowd_ioa: float = 0.5

    def __post_init__(self):
        one_of("low_quality", self.low_quality, ("win", "lose"))
        one_of("match", self.match, ("all", "inside"))

    def label(self, anchors, targets: Targets, image_sizes: tf.Tensor):
        """Labels the anchors of each image.

        Args:
          anchors: `[A, 4]` pixels.
          targets: ground truth.
          image_sizes: `[B, 2]` int32, (height, width) before padding.

        Returns:
          (label `[B, A]` int64 of ops.sampling, index `[B, A]` int64 of the instance
          that each anchor overlaps most)
        """
        # The table of overlaps is large: one image at a time.
        fg, bg, index = map_images(
            lambda image: self._overlaps(anchors, *image),
            (targets.boxes, targets.valid & ~targets.crowd, image_sizes),
            (tf.bool, tf.bool, tf.int64),
            in_turn=True,
        )
        crowd = _crowd(targets)
        bg &= ~sampling.in_crowd(anchors[None], targets.boxes, crowd, self.crowd_ioa)
        return sampling.labels_of(fg, bg), index

    def _overlaps(self, anchors, boxes, usable, image_size):
        """Of one image: the anchors that are foreground and background, the instance.

        Crowd regions are no matter here.
        """
        iou, best, index = sampling.match(anchors, boxes, usable)
        fg = best >= self.fg_iou
        # The legacy rule reads inclusive corners: x2 - 1 < width.
        inside = anchor_ops.inside(anchors, image_size)
        if self.inside_only and self.match == "inside":
            iou = iou * tf.cast(inside, tf.float32)[:, None]
        low_quality = sampling.best_of_instance(iou)
        if self.low_quality == "lose":
            low_quality &= best >= self.bg_iou
        fg |= low_quality
        bg = (best < self.bg_iou) & ~fg
        if self.inside_only:
            fg, bg = fg & inside, bg & inside
        return fg, bg, index


@keras.saving.register_keras_serializable(package="tfmask")
@dataclass(frozen=True, kw_only=True)
class RoIMatcher(Rule):
    """Which rois are foreground and background (Fast R-CNN sec. 2.3).

    Args:
      fg_iou: a roi that overlaps an instance by so much is foreground.
      bg_iou_low: others are background from this overlap on, and unused below it.
      crowd_ioa: share of a roi inside a crowd region that keeps it from being
        background; above 1: crowd regions are like any ground.
    """

    fg_iou: float = 0.5
    bg_iou_low: float = 0.0
    crowd_ioa: float = 0.5

    def kinds(self, boxes: tf.Tensor, usable: tf.Tensor, targets: Targets):
        """The kind of each box, and the instance it overlaps most.

        Args:
          boxes: `[B, N, 4]` pixels.
          usable: `[B, N]` bool.
          targets: ground truth.

        Returns:
          (`[B, N]` int64 of ops.sampling, `[B, N]` int64)
        """
        objects = targets.valid & ~targets.crowd
        _, best, index = sampling.match(boxes, targets.boxes, objects)
        fg = best >= self.fg_iou
        bg = ~fg & (best >= self.bg_iou_low)
        crowd = _crowd(targets)
        bg &= ~sampling.in_crowd(boxes, targets.boxes, crowd, self.crowd_ioa)
        return sampling.labels_of(fg & usable, bg & usable), index

    def label(
        self, boxes: tf.Tensor, samples: RoISamples, targets: Targets
    ) -> RoISamples:
        """Labels the boxes predicted on samples by their own overlaps; draws none anew.

        Args:
          boxes: `[B, N, 4]` float32, pixels.
          samples: where they were predicted.
          targets: ground truth.

        Returns:
          RoISamples of `boxes`; what could not be drawn for training is not valid.
        """

        kinds, matches = self.kinds(boxes, samples.valid, targets)
        fg = kinds == sampling.FOREGROUND
        labels = _labels(fg, targets, matches)
        valid = kinds >= 0
        return RoISamples(tf.stop_gradient(boxes), labels, matches, valid)


@keras.saving.register_keras_serializable(package="tfmask")
@dataclass(frozen=True, kw_only=True)
class RoISampler(Rule):
    """Draws the rois that train the heads (Fast R-CNN sec. 2.3).

    Args:
      batch: rois per image.
      fg_fraction: largest share of foreground.
      add_ground_truth: the annotated boxes are candidates too.
    """

    batch: int = 512
    fg_fraction: float = 0.25
    add_ground_truth: bool = True

    def draw(
        self, proposals: Proposals, targets: Targets, matcher: RoIMatcher, seeds
    ) -> RoISamples:
        """Draws from proposals, labelled by a matcher.

        Args:
          proposals: of the RPN, N per image.
          targets: ground truth.
          matcher: of the first box stage.
          seeds: `[B, 2]` int64, one seed pair per image.

        Returns:
          RoISamples, foreground first; as many as the smaller of `batch` and the number
          of candidates.
        """

        boxes, usable = proposals.boxes, proposals.valid
        if self.add_ground_truth:
            boxes = tf.concat([targets.boxes, boxes], axis=1)
            usable = tf.concat([targets.valid & ~targets.crowd, usable], axis=1)
        kinds, index = matcher.kinds(boxes, usable, targets)
        chosen, is_fg, valid = sampling.draw(
            kinds, self.batch, self.fg_fraction, salted(seeds, ROI_SALT)
        )
        matches = tf.gather(index, chosen, batch_dims=1)
        labels = _labels(is_fg, targets, matches)
        boxes = tf.gather(boxes, chosen, batch_dims=1)
        return RoISamples(tf.stop_gradient(boxes), labels, matches, valid)


def salted(seeds: tf.Tensor, salt: int) -> tf.Tensor:
    """Seed pairs `[B, 2]` int64 of one kind of draw, on the host, which reads them."""
    with tf.device("CPU:0"):
        return seeds + tf.constant([0, salt], tf.int64)


def _labels(fg: tf.Tensor, targets: Targets, matches: tf.Tensor) -> tf.Tensor:
    """`[B, N]` int64: the labels of matched instances, 0 where not foreground."""
    labels = tf.gather(tf.cast(targets.labels, tf.int64), matches, batch_dims=1)
    return tf.where(fg, labels, tf.constant(0, tf.int64))


def _crowd(targets: Targets) -> tf.Tensor:
    """`[B, G]` bool: the crowd regions, on the host, which has the targets."""
    with tf.device("CPU:0"):
        return targets.valid & targets.crowd


def of_class(deltas: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The deltas `[M, 4]` of each roi's class, of `[M, K or 1, 4]`; of background, any.

    Not tf.gather(batch_dims=1): its gradient is twenty operations.
    """
    count = deltas.shape[1]
    rows = tf.cast(tf.range(tf.shape(deltas)[0]) * count, labels.dtype)
    if count > 1:
        rows += tf.maximum(labels - 1, 0)
    return take_rows(tf.reshape(deltas, [-1, 4]), rows)
