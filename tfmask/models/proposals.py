"""From the outputs of the RPN head to proposals, and to the RPN's losses."""

import tensorflow as tf

from tfmask.losses import detection as losses
from tfmask.ops import anchors as anchor_ops
from tfmask.ops import boxes as box_ops
from tfmask.ops import sampling
from tfmask.ops.distribute import cross_replica_sum
from tfmask.ops.nms import ABSENT, nms
from tfmask.structures import AnchorSamples, Proposals

# The RPN regresses unweighted deltas in every lineage.
RPN_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
# Added to the seed, so that anchors and rois are drawn independently.
_SALT = 1


class ProposalGenerator:
    """Turns anchors, logits and deltas into proposals, and samples anchors to train.

    Args:
      rpn: settings with the fields of config.RPNConfig.
      anchors: settings with the fields of config.AnchorConfig.
      strides: pixels a cell of each pyramid level.
      crowd_ioa: share of an anchor in a crowd region that leaves it out of the loss.
      max_log_scale: bound on dw and dh.
      inclusive: clip by maskrcnn-benchmark's rule.
    """

    def __init__(self, rpn, anchors, strides, crowd_ioa, max_log_scale, inclusive):
        self.rpn = rpn
        self.anchor_settings = anchors
        self.strides = strides
        self.crowd_ioa = crowd_ioa
        self.max_log_scale = max_log_scale
        self.inclusive = inclusive

    def anchors(self, features, images) -> list[tf.Tensor]:
        """Anchors `[A_l, 4]` of each level for a batch of padded images."""
        settings = self.anchor_settings
        sizes = [tf.unstack(tf.shape(f)[1:3]) for f in features]
        return anchor_ops.pyramid_anchors(
            sizes,
            tf.unstack(tf.shape(images)[1:3]),
            settings.sizes,
            settings.ratios,
            self.strides,
            settings.rounding,
        )

    def propose(self, logits, deltas, anchors, image_sizes, training) -> Proposals:
        """The best boxes of each image after suppression within each level.

        Args:
          logits: one `[B, A_l]` a level.
          deltas: one `[B, A_l, 4]` a level.
          anchors: one `[A_l, 4]` a level.
          image_sizes: `[B, 2]` int32.
          training: chooses the counts.

        Returns:
          Proposals with N = post_nms_train or post_nms_test. No gradient.
        """
        rpn = self.rpn
        pre = rpn.pre_nms_train if training else rpn.pre_nms_test
        post = rpn.post_nms_train if training else rpn.post_nms_test

        def one_image(args):
            *levels, size = args
            found = [
                self._best_of_level(logit, delta, anchor, size, pre, min(pre, post))
                for logit, delta, anchor in zip(*levels, anchors)
            ]
            boxes, scores = (tf.concat(values, axis=0) for values in zip(*found))
            best, index = tf.math.top_k(scores, min(post, scores.shape[0]))
            missing = post - best.shape[0]
            best = tf.pad(best, [[0, missing]], constant_values=2 * ABSENT)
            return tf.pad(tf.gather(boxes, index), [[0, missing], [0, 0]]), best

        boxes, scores = tf.map_fn(
            one_image,
            (
                [tf.stop_gradient(v) for v in logits],
                [tf.stop_gradient(v) for v in deltas],
                image_sizes,
            ),
            fn_output_signature=(tf.float32, tf.float32),
        )
        boxes, scores = tf.stop_gradient(boxes), tf.stop_gradient(scores)
        boxes = tf.ensure_shape(boxes, [None, post, 4])
        scores = tf.ensure_shape(scores, [None, post])
        valid = scores > ABSENT
        if training and rpn.post_nms_scope == "batch":
            valid &= _best_of_batch(scores, post)
        return Proposals(boxes * tf.cast(valid, tf.float32)[..., None], scores, valid)

    def _best_of_level(self, logits, deltas, anchors, image_size, pre, limit):
        """Boxes `[limit, 4]`, scores `[limit]` that suppression leaves on a level."""
        scores, index = tf.math.top_k(logits, tf.minimum(pre, tf.size(logits)))
        boxes = box_ops.decode(
            tf.gather(deltas, index),
            tf.gather(anchors, index),
            RPN_WEIGHTS,
            self.max_log_scale,
        )
        boxes = box_ops.clip(boxes, image_size, self.inclusive)
        usable = box_ops.has_sides(boxes, self.rpn.min_size)
        usable &= tf.math.is_finite(scores)
        scores = tf.where(usable, scores, 2 * ABSENT)
        kept, count = nms(boxes, scores, self.rpn.nms_iou, limit)
        present = tf.range(limit) < count
        scores = tf.where(present, tf.gather(scores, kept), 2 * ABSENT)
        return tf.gather(boxes, kept), scores

    def draw(self, anchors, targets, image_sizes, seeds) -> AnchorSamples:
        """Draws the anchors that train the RPN (Faster R-CNN sec. 3.1.3).

        Args:
          anchors: one `[A_l, 4]` a level.
          targets: structures.Targets.
          image_sizes: `[B, 2]` int32.
          seeds: `[B, 2]` int64, one seed pair an image.

        Returns:
          AnchorSamples, S = the smaller of rpn.batch and the number of anchors.
        """
        rpn = self.rpn
        anchors = tf.concat(anchors, axis=0)  # [A, 4]

        def one_image(args):
            boxes, crowd, valid, size, seed = args
            labels, index = self._label(anchors, boxes, crowd, valid, size)
            chosen, is_fg, used = sampling.draw(
                labels, rpn.batch, rpn.fg_fraction, seed
            )
            matched = tf.gather(boxes, tf.gather(index, chosen))
            wanted = box_ops.encode(matched, tf.gather(anchors, chosen), RPN_WEIGHTS)
            return AnchorSamples(chosen, is_fg, wanted, used)

        return tf.map_fn(
            one_image,
            (
                targets.boxes,
                targets.crowd,
                targets.valid,
                image_sizes,
                seeds + [0, _SALT],
            ),
            fn_output_signature=AnchorSamples(tf.int32, tf.bool, tf.float32, tf.bool),
            parallel_iterations=1,  # one [A, G] table of overlaps at a time
        )

    def losses(self, samples: AnchorSamples, logits, deltas) -> dict:
        """Objectness and box loss of drawn anchors (Faster R-CNN Eq. 1).

        Args:
          samples: of `draw`.
          logits: `[B, S]` float32, of these anchors.
          deltas: `[B, S, 4]` float32, of these anchors.

        Returns:
          `rpn_objectness` and `rpn_box`: scalars, divided by the count of all replicas.
        """
        rpn = self.rpn
        is_fg, used = samples.is_fg, samples.valid
        images = cross_replica_sum(tf.cast(tf.shape(logits)[0], tf.float32))
        sampled = cross_replica_sum(tf.reduce_sum(tf.cast(used, tf.float32)))
        count = images * rpn.batch if rpn.normalizer == "batch" else sampled
        count = tf.maximum(count, 1.0)
        objectness = losses.objectness_sum(logits, is_fg, used)
        box = losses.box_sum(deltas, samples.wanted, is_fg, rpn.smooth_l1_beta)
        return {"rpn_objectness": objectness / count, "rpn_box": box / count}

    def _label(self, anchors, boxes, crowd, valid, image_size):
        """Label of each anchor `[A]`, and the instance it is matched to `[A]`."""
        rpn = self.rpn
        iou, best, index = sampling.match(anchors, boxes, valid & ~crowd)
        fg = best >= rpn.fg_iou
        low_quality = sampling.best_of_instance(iou)
        if rpn.low_quality == "lose":
            low_quality &= best >= rpn.bg_iou
        fg |= low_quality
        bg = (best < rpn.bg_iou) & ~fg
        bg &= ~sampling.in_crowd(anchors, boxes, valid & crowd, self.crowd_ioa)
        labels = tf.where(fg, sampling.FOREGROUND, sampling.IGNORE)
        labels = tf.where(bg, sampling.BACKGROUND, labels)
        if rpn.inside_only:
            # The legacy rule reads inclusive corners: x2 - 1 < width.
            labels = tf.where(
                anchor_ops.inside(anchors, image_size), labels, sampling.IGNORE
            )
        return labels, index


def _best_of_batch(scores, count):
    """The `count` best entries of the whole batch (FPN_POST_NMS_PER_BATCH)."""
    flat = tf.reshape(scores, [-1])
    last = tf.math.top_k(flat, tf.minimum(count, tf.size(flat))).values[-1]
    return scores >= last
