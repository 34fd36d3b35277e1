"""The mask branch: a mask head, and the techniques that compose around any head.

pool what the head declares -> (+ context) -> (+ an earlier branch's feature)
-> trunk -> (deconvolutional pyramid)
-> upsample -> classify -> (boundary refinement) -> logits
in training beside it: quasi-multitask branches, boundary supervision
after it: MaskIoU of the chosen class
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import keras
import tensorflow as tf

from tfmask.layers.part import Part, Rule, one_of
from tfmask.layers.roi_pooling import RoIPooling
from tfmask.layers.rois import RoISpec
from tfmask.losses import boundary as boundary_losses
from tfmask.losses import detection as losses
from tfmask.losses import mask_iou as iou_losses
from tfmask.models.box_stages import pooled_shapes
from tfmask.models.packing import padded_count
from tfmask.ops.distribute import cross_replica_sum
from tfmask.ops.masks import InstanceTargets, select_class


class MaskRoIs(NamedTuple):
    """Packed rois whose masks are asked for. M may be zero."""

    boxes: tf.Tensor  # [M, 4] float32, pixels
    batch_indices: tf.Tensor  # [M] integer
    labels: tf.Tensor  # [M] integer, 1..K: the class whose mask is used


@keras.saving.register_keras_serializable(package="tfmask")
@dataclass(frozen=True, kw_only=True)
class BoundarySupervision(Rule):
    """How predicted boundaries are trained (BMask R-CNN sec. 3.3).

    Args:
      target: `boundary`, or `mask`: the mask itself, or `none`: no loss.
      loss: `dice_bce`, `dice`, `bce` or `weighted_bce`.
      bce_weight: lambda of Eq. 2, of dice_bce.
      dice_squared: Dice with squares in the denominator (Eq. 3), else plain sums (as
        released).

    Raises:
      ValueError: an unknown word.
    """

    target: str = "boundary"
    loss: str = "dice_bce"
    bce_weight: float = 1.0
    dice_squared: bool = False

    def __post_init__(self):
        one_of("target", self.target, ("boundary", "mask", "none"))
        one_of("loss", self.loss, ("dice_bce", "dice", "bce", "weighted_bce"))


@keras.saving.register_keras_serializable(package="tfmask")
class MaskBranch(Part):
    """Runs the mask head with its extensions on packed rois.

    Args:
      head: a mask head (heads.mask_head).
      pooling: layers.roi_pooling.RoIPooling.
      context: heads.contextual_fusion.ContextualFusion or None.
      context_level: pyramid level that the whole image is pooled from.
      pyramid: heads.deconvolutional_pyramid.DeconvolutionalPyramid or None.
      pyramid_position: `after` or `before` the head's own convolutions.
      refinement: heads.boundary_refinement.BoundaryRefinement or None.
      quasi: heads.quasi_multitask.QuasiMultitaskBranch layers, training only.
      quasi_after_context: they see the roi feature with its context.
      sobel: heads.sobel_boundary.SobelBoundaryHead or None, training only.
      scoring: heads.mask_iou_head.MaskIoUHead or None.
      detach_scored_mask: no gradient from MaskIoU into the mask head.
      flow: heads.mask_information_flow.MaskInformationFlow or None: the feature that
        an earlier branch handed on is added to what is pooled.
      boundary: BoundarySupervision.
      soft_targets: mask targets keep their coverage (Tensorpack); else 1 from 0.5 on.
      train_on_predicted_boxes: rois of training are the boxes predicted on the samples.

    Raises:
      ValueError: an unknown position, or two kinds of boundary supervision.
    """

    names_weights = False

    def __init__(
        self,
        head: keras.layers.Layer,
        *,
        pooling: RoIPooling | None = None,
        context: keras.layers.Layer | None = None,
        context_level: str = "p5",
        pyramid: keras.layers.Layer | None = None,
        pyramid_position: str = "after",
        refinement: keras.layers.Layer | None = None,
        quasi: Sequence[keras.layers.Layer] = (),
        quasi_after_context: bool = True,
        sobel: keras.layers.Layer | None = None,
        scoring: keras.layers.Layer | None = None,
        detach_scored_mask: bool = False,
        flow: keras.layers.Layer | None = None,
        boundary: BoundarySupervision | None = None,
        soft_targets: bool = False,
        train_on_predicted_boxes: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        one_of("pyramid_position", pyramid_position, ("after", "before"))
        if sobel is not None and "boundary" in head.outputs:
            raise ValueError(
                f"sobel with {type(head).__name__}, which predicts boundaries itself: "
                "expected one kind of boundary supervision"
            )
        self.head = head
        self.pooling = pooling or RoIPooling()
        self.context = context
        self.context_level = context_level
        self.pyramid = pyramid
        self.pyramid_position = pyramid_position
        self.refinement = refinement
        self.quasi = list(quasi)
        self.quasi_after_context = quasi_after_context
        self.sobel = sobel
        self.scoring = scoring
        self.detach_scored_mask = detach_scored_mask
        self.flow = flow
        self.boundary = boundary or BoundarySupervision()
        self.soft_targets = soft_targets
        self.train_on_predicted_boxes = train_on_predicted_boxes

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the loss terms."""
        return self.terms_with(self)

    def terms_with(self, judge: "MaskBranch") -> tuple[str, ...]:
        """Names of the loss terms where the branch `judge` judges these masks."""
        has_boundary = judge.sobel is not None or "boundary" in self.head.outputs
        return (
            "mask",
            *(f"mask_{branch.name}" for branch in self.quasi),
            *(("boundary",) if has_boundary and self.boundary.target != "none" else ()),
            *(("mask_iou",) if judge.scoring is not None else ()),
        )

    def build(self, input_shape):
        """From the shapes of the pyramid by level name."""
        pooled = pooled_shapes(self.head, input_shape)
        size, channels = self.head.roi_specs["mask"].size, pooled["mask"][-1]
        roi = (None, size, size, channels)
        hidden = (None, size, size, self.head.channels)
        out = tuple(self.head.compute_output_shape(pooled)["mask"])
        fine = (*out[:3], self.head.channels)
        before = self.pyramid_position == "before"
        shapes = [
            (self.head, pooled),
            (self.context, [roi, roi]),
            (self.flow, [roi, hidden]),
            (self.pyramid, roi if before else hidden),
            (self.refinement, [out, fine]),
            (self.sobel, out[:-1]),
            *((branch, roi) for branch in self.quasi),
        ]
        if self.scoring is not None:
            size = self.scoring.pool_size
            shapes.append((self.scoring, [(None, size, size, channels), out[:-1]]))
        for layer, shape in shapes:
            if layer is not None and not layer.built:
                layer.build(shape)
        self.built = True

    def run(
        self,
        features: dict,
        rois: MaskRoIs,
        image_sizes: tf.Tensor,
        training: bool | None,
        boundaries=False,
        earlier=None,
        judge: "MaskBranch | None" = None,
        supervised=False,
        every_class=None,
    ):
        """Everything the branch predicts for packed rois.

        Args:
          features: pyramid levels by name.
          rois: whose masks are asked for.
          image_sizes: `[B, 2]` int32, (height, width) before padding.
          training: the mode of layers that differ in it.
          boundaries: at test too, predict boundaries where the head has them.
          earlier: `[M, S, S, C]`, `hidden` of an earlier branch, for `flow`.
          judge: the branch whose Sobel head and MaskIoU head judge these masks;
            default this one.
          supervised: whether the training-only branches run, for `losses`.
          every_class: predict the masks of all classes; default where `supervised`.

        Returns:
          Dict of tensors with M rows:
          mask: logits `[M, T, T]` of the class of each roi, or with `every_class`
            `[M, T, T, K]`. hidden: the trunk's feature `[M, S, S, C]`.
          boundary: likewise; of a Sobel head `[M, T, T]` always.
          mask_NAME: logits of the quasi-multitask branch NAME.
          mask_iou: `[M]`, predicted IoU of the mask of the chosen class.
        """
        every_class = supervised if every_class is None else every_class
        count = tf.shape(rois.boxes)[0]
        # Statistics of a live batch norm are of the rois alone.
        live = training and self.refinement is not None
        rois = _padded(rois, tf.maximum(count, 1) if live else padded_count(count))
        pooled = {
            name: self._pool(features, spec, rois)
            for name, spec in self.head.roi_specs.items()
        }
        plain = self._plain(features, rois, pooled)
        seen = plain
        if self.context is not None:
            # Once per image, for all its rois.
            scene = self.context.context(self._whole_images(features, image_sizes))
            scene = tf.cast(tf.gather(scene, rois.batch_indices), plain.dtype)
            seen = plain + scene
            pooled["mask"] += _per_level(scene, pooled["mask"])
        if self.flow is not None:
            missing = tf.shape(rois.boxes)[0] - count
            earlier = tf.pad(earlier, [[0, missing], [0, 0], [0, 0], [0, 0]])
            pooled["mask"] = self.flow(
                [pooled["mask"], _per_level(earlier, pooled["mask"])]
            )
        outputs = {}
        if supervised:
            for branch in self.quasi:
                feature = seen if self.quasi_after_context else plain
                outputs[f"mask_{branch.name}"] = branch(feature)
        if self.pyramid is not None and self.pyramid_position == "before":
            pooled["mask"] = self.pyramid(pooled["mask"])
        hidden = self.head.trunk(pooled)
        if self.pyramid is not None and self.pyramid_position == "after":
            hidden["mask"] = self.pyramid(hidden["mask"])
        names = self.head.outputs if supervised or boundaries else ("mask",)
        final = self.head.upsample(hidden, names)
        # The refinement reads the masks of all classes.
        alone = not every_class and self.refinement is None
        outputs |= self.head.classify(final, names, rois.labels if alone else None)
        if self.refinement is not None:
            outputs["mask"] = self.refinement(
                [outputs["mask"], final["mask"]],
                training=training,
                empty=tf.equal(count, 0),
            )
        if not every_class:
            for name in names:
                outputs[name] = class_channel(outputs[name], rois.labels)
        outputs["hidden"] = hidden["mask"]
        judge = judge or self
        outputs |= judge._judge(
            outputs["mask"], rois, plain, features, supervised or boundaries
        )
        return {name: value[:count] for name, value in outputs.items()}

    def losses(self, outputs: dict, targets: InstanceTargets) -> dict:
        """Loss terms, each the mean over the rois of all replicas that it is about."""
        soft = self.soft_targets
        chosen = select_class(outputs["mask"], targets.labels)
        count = tf.cast(tf.shape(chosen)[0], tf.float32)
        count = tf.maximum(cross_replica_sum(count), 1.0)
        terms = {"mask": losses.mask_sum(chosen, targets.at(chosen.shape[1], soft))}
        for branch in self.quasi:
            name = f"mask_{branch.name}"
            logits = select_class(outputs[name], targets.labels)
            terms[name] = losses.mask_sum(logits, targets.at(logits.shape[1], soft))
        if "boundary" in outputs and self.boundary.target != "none":
            logits = outputs["boundary"]
            logits = class_channel(logits, targets.labels)
            binary = targets.at(logits.shape[1])
            terms["boundary"] = boundary_losses.boundary_sum(
                logits, binary, self.boundary
            )
        terms = {name: value / count for name, value in terms.items()}
        if "mask_iou" in outputs:
            ious = iou_losses.mask_iou_targets(chosen, targets)
            # The authors average over the masks that meet their instance at all.
            met = cross_replica_sum(tf.math.count_nonzero(ious > 0, dtype=tf.float32))
            total = iou_losses.mask_iou_sum(outputs["mask_iou"], ious)
            terms["mask_iou"] = total / tf.maximum(met, 1.0)
        return terms

    def _pool(self, features, spec: RoISpec, rois: MaskRoIs):
        return self.pooling.pool(features, spec, rois.boxes, rois.batch_indices)

    def _plain(self, features, rois, pooled):
        """The roi feature `[M, S, S, C]` on the level that fits each roi's size."""
        spec = self.head.roi_specs["mask"]
        if spec.assign == "by_size":
            return pooled["mask"]
        used = (self.context, self.flow, self.scoring, *self.quasi)
        if not any(layer is not None for layer in used):
            return pooled["mask"]
        return self._pool(features, spec._replace(assign="by_size"), rois)

    def _whole_images(self, features, image_sizes):
        sides = tf.cast(tf.reverse(image_sizes, axis=[1]), tf.float32)  # (W, H)
        boxes = tf.concat([tf.zeros_like(sides), sides], axis=1)
        spec = RoISpec(self.head.roi_specs["mask"].size, (self.context_level,))
        return self.pooling.pool(features, spec, boxes, tf.range(tf.shape(boxes)[0]))

    def _judge(self, logits, rois: MaskRoIs, plain, features, boundaries):
        """What reads the predicted mask of each roi's class."""
        outputs: dict[str, tf.Tensor] = {}
        if self.sobel is None and self.scoring is None:
            return outputs
        chosen = tf.sigmoid(class_channel(logits, rois.labels))  # [M, T, T]
        if self.sobel is not None and boundaries:
            outputs["boundary"] = self.sobel(chosen)
        if self.scoring is not None:
            spec = self.head.roi_specs["mask"]
            if spec.size != self.scoring.pool_size:
                spec = RoISpec(self.scoring.pool_size, spec.levels)
                plain = self._pool(features, spec, rois)
            if self.detach_scored_mask:
                chosen = tf.stop_gradient(chosen)
            scores = self.scoring([plain, chosen])  # [M, K]
            row = tf.maximum(rois.labels - 1, 0)
            outputs["mask_iou"] = tf.gather(scores, row, axis=1, batch_dims=1)
        return outputs


def class_channel(logits: tf.Tensor, labels: tf.Tensor):
    """Logits `[M, T, T]` of each roi's class, of `[M, T, T, K]` or of themselves."""
    return select_class(logits, labels) if logits.shape.rank == 4 else logits


def _padded(rois: MaskRoIs, size) -> MaskRoIs:
    """The rois and empty boxes of the first image, `size` in all."""
    # Never below 0, which OpenVINO has to be told.
    missing = tf.maximum(size - tf.shape(rois.boxes)[0], 0)
    indices, labels = (  # not tf.pad, which GPUs lack for integers
        tf.concat([values, tf.zeros([missing], values.dtype)], 0)
        for values in (rois.batch_indices, rois.labels)
    )
    return MaskRoIs(tf.pad(rois.boxes, [[0, missing], [0, 0]]), indices, labels)


def _per_level(feature, pooled):
    """A roi feature, to be added to another one, or to one of each level."""
    return feature[:, None] if pooled.shape.rank == 5 else feature
