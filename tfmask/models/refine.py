"""The refining module of MR R-CNN: boxes and masks are read once more.

B a box of the base model, P its mask, F^- the mask head's feature on B:

    shape-aware RoIAlign(B, P) -> box head -> logits, deltas -> B^r      (sec. 3.2)
    RoIAlign(B^r) + flow(F^-) -> mask head -> P^r

Class logits of the base and of the module are averaged at test. See docs/mr_rcnn.md.
"""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfmask.layers.part import Part, one_of
from tfmask.layers.roi_pooling import RoIPooling
from tfmask.models.box_stages import (
    BoxBranch,
    BoxPredictions,
    StageOutputs,
    box_losses,
    instance_targets,
    likeliest_class,
    pooled_shapes,
)
from tfmask.models.mask_branch import MaskBranch, MaskRoIs, class_channel
from tfmask.models.packing import pack
from tfmask.models.rules import BoxCoder
from tfmask.ops import boxes as box_ops
from tfmask.structures import Detections, RoISamples, Targets


class BaseModel(NamedTuple):
    """The branches of the model that is refined; the model owns them."""

    boxes: BoxBranch
    masks: MaskBranch


class Reading(NamedTuple):
    """What the module sees of packed boxes B."""

    hidden: tf.Tensor  # [M, S, S, C], F^-
    logits: Any = None  # [M, K + 1] float32; None without a box head
    deltas: Any = None  # [M, K, 4] float32, relative to B


@keras.saving.register_keras_serializable(package="tfmask")
class RefiningModule(Part):
    """Refines scores, boxes and masks of a base model (MR R-CNN sec. 3).

    Args:
      box_head: like the base's; None where neither scores nor boxes are refined.
      masks: models.mask_branch.MaskBranch with `flow` and a head like the base's; None
        where masks are not refined.
      coder: rules.BoxCoder of the refined boxes.
      roi_pooling: layers.roi_pooling.RoIPooling of the boxes.
      pooling: `shape_aware`: weighted by the box's mask, or `plain`.
      classes, boxes: scores and boxes are refined; else the base's stand.
      alpha: share of the refined logits: (base + alpha refined) / (1 + alpha).
      candidates: what is refined at test: `detections`, or all `proposals`.
      labels: whose mask weights the pooling of a foreground sample in training: of its
        `target` class (sec. 3.2), or of the `predicted` class, as at test.
      rematch: training: the boxes read are matched anew.
      detach_mask: no gradient through the mask that weights the pooling.

    Raises:
      ValueError: an unknown word, or nothing to refine.
    """

    names_weights = False

    def __init__(
        self,
        box_head: keras.layers.Layer | None = None,
        masks: MaskBranch | None = None,
        *,
        coder: BoxCoder | None = None,
        roi_pooling: RoIPooling | None = None,
        pooling: str = "shape_aware",
        classes: bool = True,
        boxes: bool = True,
        alpha: float = 1.0,
        candidates: str = "detections",
        labels: str = "target",
        rematch: bool = True,
        detach_mask: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        one_of("pooling", pooling, ("shape_aware", "plain"))
        one_of("candidates", candidates, ("detections", "proposals"))
        one_of("labels", labels, ("target", "predicted"))
        if box_head is None and masks is None:
            raise ValueError(
                "box_head=None and masks=None: expected at least one of them, or no "
                "refining module"
            )
        self.box_head = box_head
        self.masks = masks
        self.coder = coder or BoxCoder()
        self.roi_pooling = roi_pooling or RoIPooling()
        self.pooling = pooling
        self.classes = classes and box_head is not None
        self.boxes = boxes and box_head is not None
        self.alpha = alpha
        self.candidates = candidates
        self.labels = labels
        self.rematch = rematch
        self.detach_mask = detach_mask

    def build(self, input_shape):
        """From the shapes of the pyramid by level name."""
        if self.box_head is not None and not self.box_head.built:
            self.box_head.build(pooled_shapes(self.box_head, input_shape))
        if self.masks is not None and not self.masks.built:
            self.masks.build(input_shape)
        self.built = True

    def terms(self, base: BaseModel) -> tuple[str, ...]:
        """Names of the loss terms, the base's Sobel and MaskIoU heads judging."""
        masks = self.masks.terms_with(base.masks) if self.masks else ()
        return (
            *(("refine_class",) if self.classes else ()),
            *(("refine_box",) if self.boxes else ()),
            *(f"refine_{term}" for term in masks),
        )

    def pairs(self, base: BaseModel) -> list[tuple]:
        """(refining head, the base head that it starts from)."""
        pairs = []
        if self.box_head is not None:
            pairs.append((self.box_head, base.boxes.stages[-1].head))
        if self.masks is not None:
            pairs.append((self.masks.head, base.masks.head))
        return pairs

    def start_from_base(self, base: BaseModel) -> None:
        """Gives the refining heads the weights of the base's heads (sec. 3.3)."""
        for refining, head in self.pairs(base):
            refining.set_weights(head.get_weights())

    # --- training ---------------------------------------------------------------------

    def train(
        self,
        base: BaseModel,
        features: dict,
        output: StageOutputs,
        targets,
        image_sizes: tf.Tensor,
        training: bool | None = True,
    ) -> dict:
        """Reads the boxes that the base's last stage predicts on its samples.

        A foreground sample is read with the mask of its class, a background sample
        with that of its pseudo label, the likeliest class (sec. 3.2).

        Args:
          base: the branches that are refined.
          features: pyramid levels by name.
          output: of the last box stage.
          targets: ground truth.
          image_sizes: `[B, 2]` int32.
          training: the mode of layers that differ in it.

        Returns:
          Dict for `losses`: samples, the boxes B with their labels; and what is refined
          of boxes (class logits, deltas), mask_rois and masks.
        """
        samples = output.samples
        rois = pack(samples.valid)
        batch_indices = rois.batch_indices
        labels = rois.take(samples.labels)
        pseudo = likeliest_class(output.class_logits)
        labels = tf.where(labels > 0, labels, tf.cast(pseudo, labels.dtype))
        boxes = base.boxes.stages[-1].coder.decode_class(
            output.deltas, labels, rois.take(samples.boxes)
        )
        boxes = self._clip(base, boxes, batch_indices, image_sizes)
        seen = pseudo if self.labels == "predicted" else labels
        reading = self.read(
            base, features, MaskRoIs(boxes, batch_indices, seen), image_sizes, True
        )
        samples = self._label(base, rois.restore(boxes), samples, targets)
        outputs: dict[str, Any] = {"samples": samples}
        if self.box_head is not None:
            used = rois.take(samples.valid)
            outputs["boxes"] = tuple(
                tf.boolean_mask(v, used) for v in (reading.logits, reading.deltas)
            )
        if self.masks is not None:
            fg = rois.take(samples.valid & (samples.labels > 0))
            boxes, batch_indices = boxes[fg], batch_indices[fg]
            labels = rois.take(samples.labels)[fg]
            if self.boxes:
                deltas = tf.boolean_mask(reading.deltas, fg)
                boxes = self.coder.decode_class(deltas, labels, boxes)
                boxes = self._clip(base, boxes, batch_indices, image_sizes)
            outputs["mask_rois"] = MaskRoIs(boxes, batch_indices, labels)
            outputs["masks"] = self.masks.run(
                features,
                outputs["mask_rois"],
                image_sizes,
                training=training,
                supervised=True,
                earlier=tf.boolean_mask(reading.hidden, fg),
                judge=base.masks,
            )
        return outputs

    def losses(self, base: BaseModel, outputs: dict, targets: Targets) -> dict:
        """Loss terms of what `train` returned; counts are over all replicas."""
        samples, terms = outputs["samples"], {}
        if "boxes" in outputs:
            values = box_losses(
                StageOutputs(samples, *outputs["boxes"]),
                targets,
                self.coder,
                base.boxes.smooth_l1_beta,
            )
            if self.classes:
                terms["refine_class"] = values["box_class"]
            if self.boxes:
                terms["refine_box"] = values["box_regression"]
        if self.masks is not None and "masks" in outputs:
            instances = instance_targets(samples, targets, outputs["mask_rois"].boxes)
            values = self.masks.losses(outputs["masks"], instances)
            terms |= {f"refine_{name}": value for name, value in values.items()}
        return terms

    # --- inference --------------------------------------------------------------------

    def detect(
        self,
        base: BaseModel,
        features: dict,
        predicted: BoxPredictions,
        image_sizes: tf.Tensor,
    ) -> tuple[Detections, tf.Tensor]:
        """Refined detections of a batch.

        Returns:
          (Detections; F^- of each of them, `[M, S, S, C]`, packed image by image)
        """
        if self.box_head is None:
            detections, _ = self._select(base, predicted, image_sizes)
            rois = pack(detections.valid)
            own = MaskRoIs(
                rois.take(detections.boxes),
                rois.batch_indices,
                rois.take(detections.labels),
            )
            return detections, self.read(base, features, own, image_sizes).hidden
        boxes, labels, logits, valid = self._candidates(base, predicted, image_sizes)
        rois = pack(valid)
        own = MaskRoIs(rois.take(boxes), rois.batch_indices, rois.take(labels))
        reading = self.read(base, features, own, image_sizes)
        scores = self._scores(rois.take(logits), reading)
        detections, origin = base.boxes.select.select(
            rois.restore(scores),
            self._boxes(rois, own.boxes, predicted, reading),
            valid,
            image_sizes,
        )
        place = rois.restore(tf.range(tf.shape(own.boxes)[0]))  # [B, N]
        place = tf.gather(place, origin, batch_dims=1)  # [B, D]
        place = pack(detections.valid).take(place)
        return detections, tf.gather(reading.hidden, place)

    def read(
        self,
        base: BaseModel,
        features: dict,
        rois: MaskRoIs,
        image_sizes: tf.Tensor,
        every_class: bool = False,
    ) -> Reading:
        """What the module sees of packed boxes B.

        Args:
          base: the branches that are refined.
          features: pyramid levels by name.
          rois: B, and the classes whose masks weigh the pooling.
          image_sizes: `[B, 2]` int32.
          every_class: see `MaskBranch.run`; the masks are the same either way.
        """
        outputs = base.masks.run(
            features, rois, image_sizes, training=False, every_class=every_class
        )
        if self.box_head is None:
            return Reading(outputs["hidden"])
        masks = None
        if self.pooling == "shape_aware":
            masks = tf.sigmoid(class_channel(outputs["mask"], rois.labels))
            if self.detach_mask:
                masks = tf.stop_gradient(masks)
        pooled = {
            name: self.roi_pooling.pool(
                features, spec, rois.boxes, rois.batch_indices, masks
            )
            for name, spec in self.box_head.roi_specs.items()
        }
        return Reading(outputs["hidden"], *self.box_head(pooled))

    def _select(self, base, predicted, image_sizes):
        """The base's own detections, and the proposal that each comes from."""
        return base.boxes.select.select(
            predicted.scores, predicted.boxes, predicted.valid, image_sizes
        )

    def _candidates(self, base, predicted, image_sizes):
        """What is refined: boxes `[B, N, 4]`, labels, class logits, validity."""
        logits = predicted.logits
        if self.candidates == "detections":
            detections, origin = self._select(base, predicted, image_sizes)
            logits = tf.gather(logits, origin, batch_dims=1)
            return detections.boxes, detections.labels, logits, detections.valid
        labels = likeliest_class(logits)  # [B, N]
        shared = predicted.boxes.shape[2] == 1
        row = tf.zeros_like(labels) if shared else labels - 1
        boxes = tf.gather(predicted.boxes, row, axis=2, batch_dims=2)
        boxes = box_ops.clip(boxes, image_sizes[:, None], base.boxes.select.inclusive)
        return boxes, labels, logits, predicted.valid

    def _scores(self, logits, reading: Reading):
        """Fused scores `[M, K]` of every class of packed candidates (sec. 3.3)."""
        if self.classes:
            logits = (logits + self.alpha * reading.logits) / (1.0 + self.alpha)
        return tf.nn.softmax(logits)[:, 1:]

    def _boxes(self, rois, boxes, predicted, reading: Reading):
        """Boxes of each class `[B, N, K, 4]`, or `[B, N, 1, 4]` for all of them."""
        if self.boxes:
            return rois.restore(self.coder.decode(reading.deltas, boxes[:, None]))
        if self.candidates == "proposals":
            return predicted.boxes
        return rois.restore(boxes[:, None])

    def _clip(self, base, boxes, batch_indices, image_sizes):
        sizes = tf.gather(image_sizes, batch_indices)  # [M, 2]
        return box_ops.clip(boxes, sizes, base.boxes.select.inclusive)

    def _label(self, base, boxes, samples: RoISamples, targets) -> RoISamples:
        """The samples with the boxes predicted on them; those without area drop out."""
        if self.rematch:
            matcher = base.boxes.stages[-1].matcher
            samples = matcher.label(boxes, samples, targets)
        has_area = box_ops.has_sides(boxes, 0.0)
        return samples._replace(boxes=boxes, valid=samples.valid & has_area)
