"""From class scores and boxes to final detections."""

from dataclasses import dataclass

import keras
import tensorflow as tf

from tfmask.layers.part import Rule, one_of
from tfmask.models.packing import map_images
from tfmask.ops import boxes as box_ops
from tfmask.ops.nms import ABSENT, class_offsets, nms
from tfmask.structures import Detections


@keras.saving.register_keras_serializable(package="tfmask")
@dataclass(frozen=True, kw_only=True)
class DetectionSelection(Rule):
    """Thresholds scores, suppresses what overlaps, keeps the best of each image.

    Args:
      score_threshold: detections score more than this.
      nms_iou: a box that overlaps a better one by more is suppressed.
      nms_scope: the better one is of the same `class`, or of any of `all` classes.
      max_detections: per image.
      inclusive: clip by maskrcnn-benchmark's rule, see ops.boxes.clip.
    """

    score_threshold: float = 0.05
    nms_iou: float = 0.5
    nms_scope: str = "class"
    max_detections: int = 100
    inclusive: bool = False

    def __post_init__(self):
        one_of("nms_scope", self.nms_scope, ("class", "all"))

    def select(
        self, class_scores, boxes: tf.Tensor, valid: tf.Tensor, image_sizes: tf.Tensor
    ) -> tuple[Detections, tf.Tensor]:
        """The detections of a batch.

        Args:
          class_scores: `[B, N, K]` float32, probabilities without the background.
          boxes: `[B, N, K, 4]` float32, decoded; `[B, N, 1, 4]` for all classes.
          valid: `[B, N]` bool.
          image_sizes: `[B, 2]` int32.

        Returns:
          (Detections with D = max_detections; rois `[B, D]` int32, the one of the N
          that each detection comes from, 0 in padding)
        """
        limit, num_classes = self.max_detections, class_scores.shape[-1]
        shared = boxes.shape[2] == 1

        def one_image(args):
            scores, candidates, usable, size = args
            usable = usable[:, None] & (scores > self.score_threshold)
            where = tf.where(usable & tf.math.is_finite(scores))  # [P, 2] (roi, class)
            where = tf.cast(where, tf.int32)
            roi, kind = where[:, 0], where[:, 1]  # LiteRT does not unstack no rows
            score = tf.gather_nd(scores, where)
            row = tf.stack([roi, tf.zeros_like(kind) if shared else kind], axis=1)
            box = box_ops.clip(tf.gather_nd(candidates, row), size, self.inclusive)
            score = tf.where(box_ops.has_sides(box, 0.0), score, 2 * ABSENT)
            # One candidate that counts for nothing: there may be no other.
            box = tf.pad(box, [[0, 1], [0, 0]])
            score = tf.pad(score, [[0, 1]], constant_values=2 * ABSENT)
            kind, roi = tf.pad(kind, [[0, 1]]), tf.pad(roi, [[0, 1]])
            apart = box
            if self.nms_scope == "class":
                apart = class_offsets(box, kind, num_classes, size)
            kept, count = nms(apart, score, self.nms_iou, limit)
            present = tf.range(limit) < count
            kept = tf.where(present, kept, 0)
            flag = tf.cast(present, tf.float32)
            return (
                tf.gather(box, kept) * flag[:, None],
                tf.where(present, tf.gather(score, kept), 0.0),
                tf.where(present, tf.gather(kind, kept) + 1, 0),
                present,
                tf.where(present, tf.gather(roi, kept), 0),
            )

        boxes, scores, labels, present, rois = map_images(
            one_image,
            (class_scores, boxes, valid, image_sizes),
            (tf.float32, tf.float32, tf.int32, tf.bool, tf.int32),
        )
        detections = Detections(
            tf.ensure_shape(boxes, [None, limit, 4]),
            tf.ensure_shape(scores, [None, limit]),
            tf.ensure_shape(labels, [None, limit]),
            tf.ensure_shape(present, [None, limit]),
        )
        return detections, tf.ensure_shape(rois, [None, limit])
