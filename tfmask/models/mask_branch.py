"""The mask branch: a mask head, and the techniques that compose around any head.

pool what the head declares -> (+ context) -> (+ an earlier branch's feature)
-> trunk -> (deconvolutional pyramid)
-> upsample -> classify -> (boundary refinement) -> logits
in training beside it: quasi-multitask branches, boundary supervision
after it: MaskIoU of the chosen class
"""

from typing import NamedTuple

import tensorflow as tf

from tfmask.losses import boundary as boundary_losses
from tfmask.losses import detection as losses
from tfmask.losses import mask_iou as iou_losses
from tfmask.ops.distribute import cross_replica_sum
from tfmask.ops.masks import InstanceTargets, select_class


class MaskRoIs(NamedTuple):
    """Packed rois whose masks are wanted. M may be zero."""

    boxes: tf.Tensor  # [M, 4] float32, pixels
    images: tf.Tensor  # [M] int32
    labels: tf.Tensor  # [M] int32, 1..K: the class whose mask is used


class MaskBranch:
    """Runs the mask head with its extensions on packed rois.

    Not a layer: the model owns the layers, so that the names of their weights do not
    depend on how they are arranged here.

    Args:
      head: a mask head (heads.mask_head).
      pools: dict of layers.roi_pooling.MultilevelRoIAlign: one for each name in the
        head's `roi_specs`, `context` for contextual fusion, and `mask_iou` where the
        MaskIoU head's feature is of another size than the mask head's.
      settings: fields of config.MaskConfig.
      context, pyramid, refinement: layers of MaskPlus, or None.
      quasi: training-only branches of MaskPlus.
      sobel: heads.sobel_boundary.SobelBoundaryHead or None, training only.
      scoring: heads.mask_iou_head.MaskIoUHead or None.
      flow: heads.mask_information_flow.MaskInformationFlow or None: the feature that
        an earlier branch handed on is added to what is pooled.
    """

    def __init__(
        self,
        head,
        pools,
        settings,
        *,
        context=None,
        pyramid=None,
        refinement=None,
        quasi=(),
        sobel=None,
        scoring=None,
        flow=None,
    ):
        self.head = head
        self.pools = pools
        self.settings = settings
        self.context = context
        self.pyramid = pyramid
        self.refinement = refinement
        self.quasi = tuple(quasi)
        self.sobel = sobel
        self.scoring = scoring
        self.flow = flow
        parts = (head, context, pyramid, refinement, *self.quasi, sobel, scoring, flow)
        self.layers = [part for part in parts if part is not None]
        self.has_boundary = sobel is not None or "boundary" in head.outputs

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the loss terms."""
        supervised = self.has_boundary and self.settings.boundary.target != "none"
        return (
            "mask",
            *(f"mask_{branch.name}" for branch in self.quasi),
            *(("boundary",) if supervised else ()),
            *(("mask_iou",) if self.scoring is not None else ()),
        )

    def run(
        self,
        features,
        rois: MaskRoIs,
        image_sizes,
        training,
        boundaries=False,
        earlier=None,
    ):
        """Everything the branch predicts for packed rois.

        Args:
          features: pyramid levels by name.
          rois: whose masks are wanted.
          image_sizes: `[B, 2]` int32, (height, width) before padding.
          training: whether the training-only branches run.
          boundaries: at test too, predict boundaries where the head has them.
          earlier: `[M, S, S, C]`, `hidden` of an earlier branch, for `flow`.

        Returns:
          Dict of tensors with M rows:
          mask: logits `[M, T, T, K]`. hidden: the trunk's feature `[M, S, S, C]`.
          boundary: logits `[M, T, T, K]`, or `[M, T, T]` of the chosen class alone.
          mask_NAME: logits of the quasi-multitask branch NAME.
          mask_iou: `[M]`, predicted IoU of the mask of the chosen class.
        """
        count = tf.shape(rois.boxes)[0]
        boxes, images, labels = self._at_least_one(rois)
        pooled = {
            name: self.pools[name].pool(features, boxes, images)
            for name in self.head.roi_specs
        }
        plain = pooled["mask"]
        if self.context is not None:
            scene = self._whole_images(features, image_sizes)
            scene = self.context.context(scene)  # [B, S, S, C], once an image
            pooled["mask"] = plain + tf.cast(tf.gather(scene, images), plain.dtype)
        if self.flow is not None:
            missing = tf.shape(boxes)[0] - count
            earlier = tf.pad(earlier, [[0, missing], [0, 0], [0, 0], [0, 0]])
            pooled["mask"] = self.flow([pooled["mask"], earlier])
        outputs = {}
        if training:
            after = self.settings.quasi.after_context
            for branch in self.quasi:
                seen = pooled["mask"] if after else plain
                outputs[f"mask_{branch.name}"] = branch(seen)
        if self.pyramid is not None and self.settings.pyramid.position == "before":
            pooled["mask"] = self.pyramid(pooled["mask"])
        hidden = self.head.trunk(pooled)
        if self.pyramid is not None and self.settings.pyramid.position == "after":
            hidden["mask"] = self.pyramid(hidden["mask"])
        names = self.head.outputs if training or boundaries else ("mask",)
        final = self.head.upsample(hidden, names)
        outputs |= self.head.classify(final, names)
        if self.refinement is not None:
            outputs["mask"] = self.refinement(
                [outputs["mask"], final["mask"]],
                training=training,
                empty=tf.equal(count, 0),
            )
        outputs["hidden"] = hidden["mask"]
        if self.sobel is not None or self.scoring is not None:
            outputs |= self._of_the_chosen_class(
                outputs["mask"],
                labels,
                plain,
                features,
                boxes,
                images,
                training or boundaries,
            )
        return {name: value[:count] for name, value in outputs.items()}

    def losses(self, outputs, targets: InstanceTargets) -> dict:
        """Loss terms, each the mean over the rois of all replicas that it is about."""
        count = tf.cast(tf.shape(targets.labels)[0], tf.float32)
        count = tf.maximum(cross_replica_sum(count), 1.0)
        soft = self.settings.soft_targets
        chosen = select_class(outputs["mask"], targets.labels)
        wanted = targets.at(chosen.shape[1], soft)
        terms = {"mask": losses.mask_sum(chosen, wanted)}
        for branch in self.quasi:
            name = f"mask_{branch.name}"
            logits = select_class(outputs[name], targets.labels)
            terms[name] = losses.mask_sum(logits, targets.at(logits.shape[1], soft))
        if "boundary" in self.terms:
            logits = outputs["boundary"]
            if logits.shape.rank == 4:
                logits = select_class(logits, targets.labels)
            binary = targets.at(logits.shape[1])
            terms["boundary"] = boundary_losses.boundary_sum(
                logits, binary, self.settings.boundary
            )
        terms = {name: value / count for name, value in terms.items()}
        if self.scoring is not None:
            wanted = iou_losses.mask_iou_targets(chosen, targets)
            # The authors average over the masks that meet their instance at all.
            met = cross_replica_sum(tf.math.count_nonzero(wanted > 0, dtype=tf.float32))
            total = iou_losses.mask_iou_sum(outputs["mask_iou"], wanted)
            terms["mask_iou"] = total / tf.maximum(met, 1.0)
        return terms

    def _at_least_one(self, rois):
        """The rois, or one empty box: convolutions fail on batches of none."""
        empty = tf.cast(tf.shape(rois.boxes)[0] == 0, tf.int32)
        boxes = tf.pad(rois.boxes, [[0, empty], [0, 0]])
        images = tf.pad(rois.images, [[0, empty]])
        return boxes, images, tf.pad(rois.labels, [[0, empty]])

    def _whole_images(self, features, image_sizes):
        sides = tf.cast(tf.reverse(image_sizes, axis=[1]), tf.float32)  # (W, H)
        boxes = tf.concat([tf.zeros_like(sides), sides], axis=1)
        return self.pools["context"].pool(features, boxes, tf.range(tf.shape(boxes)[0]))

    def _of_the_chosen_class(
        self, logits, labels, plain, features, boxes, images, boundaries
    ):
        """What reads the predicted mask of each roi's class."""
        found = {}
        chosen = tf.sigmoid(select_class(logits, labels))  # [M, T, T]
        if self.sobel is not None and boundaries:
            found["boundary"] = self.sobel(chosen)
        if self.scoring is not None:
            if "mask_iou" in self.pools:
                plain = self.pools["mask_iou"].pool(features, boxes, images)
            if self.settings.scoring.detach_mask:
                chosen = tf.stop_gradient(chosen)
            scores = self.scoring([plain, chosen])  # [M, K]
            row = tf.maximum(labels - 1, 0)
            found["mask_iou"] = tf.gather(scores, row, axis=1, batch_dims=1)
        return found
