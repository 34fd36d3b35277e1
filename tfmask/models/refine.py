"""The refining module of MR R-CNN: boxes and masks are read once more.

B a box of the base model, P its mask, F^- the mask head's feature on B:

    shape-aware RoIAlign(B, P) -> box head -> logits, deltas -> B^r      (sec. 3.2)
    RoIAlign(B^r) + flow(F^-) -> mask head -> P^r

Class logits of the base and of the module are averaged at test. See docs/mr_rcnn.md.
"""

import tensorflow as tf

from tfmask.models.box_stages import (
    BoxPredictions,
    box_losses,
    boxes_of_class,
    instance_targets,
    match_again,
)
from tfmask.models.mask_branch import MaskBranch, MaskRoIs
from tfmask.models.packing import pack
from tfmask.models.postprocess import detect_rois
from tfmask.ops import boxes as box_ops
from tfmask.ops.masks import select_class
from tfmask.structures import Detections, RoISamples, Targets

_LEFT_OUT = -1.0  # a score below any threshold


class RefiningModule:
    """Refines scores, boxes and masks of a base model.

    Not a layer: the model owns the layers, see MaskBranch.

    Args:
      settings: fields of config.ModelConfig.
      base: the base model's mask branch.
      base_box_head: the base model's box head.
      box_pool: ShapeAwareRoIAlign, or MultilevelRoIAlign where the pooling is plain.
      box_head: like the base's; None where neither scores nor boxes are refined.
      masks: mask branch with `flow` and a head like the base's; None where masks are
        not refined.
    """

    def __init__(
        self, settings, base: MaskBranch, base_box_head, box_pool, box_head, masks
    ):
        self.settings = settings
        self.base = base
        self.box_pool = box_pool
        self.box_head = box_head
        self.masks = masks
        pairs = [(box_head, base_box_head)]
        if masks is not None:
            pairs.append((masks.head, base.head))
        # Each refining head, and the base head that it starts from.
        self.heads = [(ours, theirs) for ours, theirs in pairs if ours is not None]
        self.layers = [ours for ours, _ in self.heads]
        if masks is not None:
            self.layers.append(masks.flow)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the loss terms."""
        part = self.settings.refine
        return (
            *(("refine_class",) if part.classes else ()),
            *(("refine_box",) if part.boxes else ()),
            *(f"refine_{term}" for term in (self.masks.terms if self.masks else ())),
        )

    def start_from_base(self, names) -> tuple[str, ...]:
        """Gives the refining heads of these names the weights of their base heads.

        MR R-CNN sec. 3.3. Returns the names.
        """
        for ours, theirs in self.heads:
            if ours.name in names:
                ours.set_weights(theirs.get_weights())
        return tuple(names)

    # --- training ---------------------------------------------------------------------

    def train(
        self, features, samples: RoISamples, box_outputs, targets: Targets, image_sizes
    ) -> dict:
        """Reads the boxes that the base predicts on its samples.

        A foreground sample is read with the mask of its class, a background sample
        with that of its pseudo label, the likeliest class (sec. 3.2).

        Args:
          features: pyramid levels by name.
          samples: of the base; M of them are valid.
          box_outputs: the base's (class logits `[M, K+1]`, deltas `[M, K, 4]`) there.
          targets: ground truth.
          image_sizes: `[B, 2]` int32.

        Returns:
          Dict for `losses`: samples, the boxes B with their labels; and what is refined
          of boxes (class logits, deltas), mask_rois and masks.
        """
        class_logits, deltas = box_outputs
        box, part = self.settings.box, self.settings.refine
        rois = pack(samples.valid)
        labels = rois.take(samples.labels)
        pseudo = 1 + tf.argmax(class_logits[:, 1:], axis=1, output_type=tf.int32)
        labels = tf.where(labels > 0, labels, pseudo)
        boxes = boxes_of_class(
            deltas,
            labels,
            rois.take(samples.boxes),
            box.regression_weights,
            box.max_log_scale,
        )
        boxes = self._clip(boxes, rois.images, image_sizes)
        found = self.read(features, MaskRoIs(boxes, rois.images, labels), image_sizes)
        samples = self._label(rois.restore(boxes), samples, targets)
        outputs = {"samples": samples}
        if self.box_head is not None:
            used = rois.take(samples.valid)
            outputs["boxes"] = tuple(
                tf.boolean_mask(found[name], used) for name in ("logits", "deltas")
            )
        if self.masks is not None:
            fg = rois.take(samples.valid & (samples.labels > 0))
            images, labels = rois.images[fg], rois.take(samples.labels)[fg]
            boxes = boxes[fg]
            if part.boxes:
                boxes = boxes_of_class(
                    tf.boolean_mask(found["deltas"], fg),
                    labels,
                    boxes,
                    part.regression_weights,
                    box.max_log_scale,
                )
                boxes = self._clip(boxes, images, image_sizes)
            outputs["mask_rois"] = MaskRoIs(boxes, images, labels)
            outputs["masks"] = self.masks.run(
                features,
                outputs["mask_rois"],
                image_sizes,
                training=True,
                earlier=tf.boolean_mask(found["hidden"], fg),
            )
        return outputs

    def losses(self, outputs, targets: Targets) -> dict:
        """Loss terms of what `train` returned; counts are over all replicas."""
        samples, part, terms = outputs["samples"], self.settings.refine, {}
        if "boxes" in outputs:
            rois = pack(samples.valid)
            matched = tf.gather(targets.boxes, samples.matches, batch_dims=1)
            found = box_losses(
                *outputs["boxes"],
                rois.take(samples.boxes),
                rois.take(samples.labels),
                rois.take(matched),
                weights=part.regression_weights,
                beta=self.settings.box.smooth_l1_beta,
            )
            if part.classes:
                terms["refine_class"] = found["box_class"]
            if part.boxes:
                terms["refine_box"] = found["box_regression"]
        if "masks" in outputs:
            wanted = instance_targets(samples, targets, outputs["mask_rois"].boxes)
            found = self.masks.losses(outputs["masks"], wanted)
            terms |= {f"refine_{name}": value for name, value in found.items()}
        return terms

    # --- inference --------------------------------------------------------------------

    def detect(
        self, features, predicted: BoxPredictions, image_sizes
    ) -> tuple[Detections, tf.Tensor]:
        """Refined detections of a batch.

        Returns:
          (Detections; F^- of each of them, `[M, S, S, C]`, packed image by image)
        """
        boxes, labels, logits, valid = self._candidates(predicted, image_sizes)
        rois = pack(valid)
        own = MaskRoIs(rois.take(boxes), rois.images, rois.take(labels))
        found = self.read(features, own, image_sizes)
        scores = self._scores(rois.take(logits), own.labels, found)
        detections, origin = detect_rois(
            rois.restore(scores),
            self._boxes(rois, own.boxes, predicted, found),
            valid,
            image_sizes,
            self.settings.postprocess,
            self.settings.inclusive_boxes,
        )
        place = rois.restore(tf.range(tf.shape(own.boxes)[0]))  # [B, N]
        place = tf.gather(place, origin, batch_dims=1)  # [B, D]
        place = pack(detections.valid).take(place)
        return detections, tf.gather(found["hidden"], place)

    def read(self, features, rois: MaskRoIs, image_sizes) -> dict:
        """What the module sees of packed boxes B.

        Returns:
          hidden: F^- `[M, S, S, C]`; and with a box head logits `[M, K+1]` and deltas
          `[M, K, 4]` relative to B, float32.
        """
        base = self.base.run(features, rois, image_sizes, training=False)
        found = {"hidden": base["hidden"]}
        if self.box_head is None:
            return found
        where = features, rois.boxes, rois.images
        if self.settings.refine.pooling == "plain":
            pooled = self.box_pool.pool(*where)
        else:
            masks = tf.sigmoid(select_class(base["mask"], rois.labels))
            if self.settings.refine.detach_mask:
                masks = tf.stop_gradient(masks)
            pooled = self.box_pool.pool(*where, masks)
        found["logits"], found["deltas"] = self.box_head(pooled)
        return found

    def _candidates(self, predicted, image_sizes):
        """What is refined: boxes `[B, N, 4]`, labels, class logits, validity."""
        if self.settings.refine.candidates == "detections":
            found, origin = detect_rois(
                predicted.scores,
                predicted.boxes,
                predicted.valid,
                image_sizes,
                self.settings.postprocess,
                self.settings.inclusive_boxes,
            )
            logits = tf.gather(predicted.logits, origin, batch_dims=1)
            return found.boxes, found.labels, logits, found.valid
        logits = predicted.logits
        best = tf.argmax(logits[..., 1:], axis=-1, output_type=tf.int32)  # [B, N]
        row = tf.zeros_like(best) if predicted.boxes.shape[2] == 1 else best
        boxes = tf.gather(predicted.boxes, row, axis=2, batch_dims=2)
        sizes = image_sizes[:, None]
        boxes = box_ops.clip(boxes, sizes, self.settings.inclusive_boxes)
        return boxes, best + 1, logits, predicted.valid

    def _scores(self, base, labels, found):
        """Fused class scores `[M, K]` of packed candidates (sec. 3.3)."""
        part, logits = self.settings.refine, base
        if part.classes:
            logits = (base + part.alpha * found["logits"]) / (1.0 + part.alpha)
        scores = tf.nn.softmax(logits)[:, 1:]
        if part.candidates == "proposals":
            return scores
        # A detection stands for its own class. What the base gave the other classes of
        # its roi has been through the base's suppression: they enter where the module
        # finds more than that.
        own = tf.one_hot(labels - 1, scores.shape[1], True, False)
        more = scores > tf.nn.softmax(base)[:, 1:]
        return tf.where(own | more, scores, _LEFT_OUT)

    def _boxes(self, rois, boxes, predicted, found):
        """Boxes of each class `[B, N, K, 4]`, or `[B, N, 1, 4]` for all of them."""
        part = self.settings.refine
        if part.boxes:
            return rois.restore(
                box_ops.decode(
                    found["deltas"],
                    boxes[:, None],
                    part.regression_weights,
                    self.settings.box.max_log_scale,
                )
            )
        if part.candidates == "proposals":
            return predicted.boxes
        return rois.restore(boxes[:, None])

    def _clip(self, boxes, images, image_sizes):
        sizes = tf.gather(image_sizes, images)  # [M, 2]
        return box_ops.clip(boxes, sizes, self.settings.inclusive_boxes)

    def _label(self, boxes, samples, targets):
        """The samples with the boxes predicted on them; those without area drop out."""
        if self.settings.refine.rematch:
            samples = match_again(boxes, samples, targets, self.settings.roi)
        has_area = box_ops.has_sides(boxes, 0.0)
        return samples._replace(boxes=boxes, valid=samples.valid & has_area)
