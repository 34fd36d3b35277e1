"""The walk from image to result, shared by every architecture."""

import keras
import tensorflow as tf

from tfmask.files import is_tfmask_file
from tfmask.layers.loss_weights import LossWeights
from tfmask.layers.part import arguments, deserialize, serialize
from tfmask.models.box_stages import instance_targets
from tfmask.models.fitting import FittedModel
from tfmask.models.mask_branch import MaskRoIs
from tfmask.models.packing import Packed, pack
from tfmask.models.proposals import build_trunk
from tfmask.models.refine import BaseModel
from tfmask.structures import Detections, Targets


@keras.saving.register_keras_serializable(package="tfmask")
class GeneralizedRCNN(FittedModel):
    """Image -> backbone -> neck -> proposals -> boxes -> masks (-> both refined).

    An architecture is a choice of parts, not another pipeline. `call` returns
    predictions, `compute_losses` turns the predictions of a training call into losses.

    Args:
      normalization: layers.normalization.Normalization.
      backbone: layer `[B, H, W, C] -> {"c2".."c5"}` with `output_spec`.
      neck: layer `{"c2".."c5"} -> {"p2".."p6"}` with `output_spec` and `roi_levels`.
      proposals: models.proposals.RegionProposals.
      boxes: models.box_stages.BoxBranch.
      masks: models.mask_branch.MaskBranch.
      refinement: models.refine.RefiningModule or None.
      seed: of the draws of training.

    Call input: dict with
      images: `[B, H, W, C]` uint8 or float, RGB, zero-padded bottom and right, H and W
        multiples of 32.
      image_sizes: `[B, 2]` int32, (height, width) before padding.
      and for training also boxes, labels, masks, crowd, valid (structures.Targets) and
      `stream_index [B]` int64, from which the draws of each image follow.
    With `boundaries=True` the result has the boundaries too that the model predicts.
    With `boxes_only=True` it ends before the masks, and has what `masks_on` reads them
    from as `features`.
    With `supervised=True`, the default in training, the result is for `compute_losses`
    and the targets are needed; `training` is then the mode of the layers alone.

    Returns, in inference, a dict:
      boxes: `[B, D, 4]` float32, pixels of the input image.
      scores: `[B, D]` float32. labels: `[B, D]` int32, 1..K. valid: `[B, D]` bool.
      masks: `[B, D, T, T]` float32 probabilities in the frame of each box.
      mask_scores: `[B, D]` float32, score x predicted MaskIoU, where the model has a
        MaskIoU head: what ranks the masks. It may leave 0..1.
      boundaries: `[B, D, T, T]` float32 probabilities, where they were asked for.
    Supervised, a nested dict for `compute_losses`.
    """

    def __init__(
        self,
        *,
        normalization: keras.layers.Layer,
        backbone: keras.layers.Layer,
        neck: keras.layers.Layer,
        proposals: keras.layers.Layer,
        boxes: keras.layers.Layer,
        masks: keras.layers.Layer,
        refinement: keras.layers.Layer | None = None,
        seed: int = 0,
        **kwargs,
    ):
        # The parts choose their own precision; results are float32.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.normalization = normalization
        self.backbone = backbone
        self.neck = neck
        self.proposals = proposals
        self.boxes = boxes
        self.masks = masks
        self.refinement = refinement
        self.seed = seed
        terms = (*proposals.terms, *boxes.terms, *masks.terms)
        if refinement is not None:
            terms += refinement.terms(self.branches())
        self.loss_weights = LossWeights(terms, name="loss_weights")
        # Suppression and packing have shapes that only the data decide.
        self.supports_jit = False

    # Not a property: Keras walks those when it saves, and a tuple of layers in one
    # would give every weight a second name in its files.
    def branches(self) -> BaseModel:
        """What the refining module refines."""
        return BaseModel(self.boxes, self.masks)

    def build(self, input_shape=None):
        """Creates the weights. They follow from the parts; no input shape is needed."""
        if self.built:
            return
        image = (None, None, None, self.normalization.channels)
        pyramid = build_trunk(self.backbone, self.neck, image)
        self.proposals.build((image, pyramid))
        levels = {name: pyramid[name] for name in self.neck.roi_levels}
        self.boxes.build(levels)
        self.masks.build(levels)
        if self.refinement is not None:
            self.refinement.build(levels)
            self.refinement.start_from_base(self.branches())
        self.built = True

    def call(
        self,
        inputs,
        training=False,
        boundaries=False,
        supervised=None,
        boxes_only=False,
    ):
        supervised = training if supervised is None else supervised
        images, sizes = inputs["images"], inputs["image_sizes"]
        x = self.normalization([images, sizes])
        features = self.neck(self.backbone(x, training=training), training=training)
        pyramid = self.proposals.pyramid(x, features, training)
        anchors = self.proposals.anchors.of(pyramid, images)
        proposals = self.proposals.propose(pyramid, anchors, sizes, supervised)
        if not supervised:
            return self.detect(features, proposals, sizes, boundaries, boxes_only)
        targets = Targets(*(inputs[name] for name in Targets._fields))
        seeds = self.seeds(inputs["stream_index"])
        drawn = self.proposals.draw(anchors, targets, sizes, seeds)
        stages = self.boxes.train(features, proposals, targets, sizes, seeds)
        mask_rois = self.training_mask_rois(stages[0])
        outputs = {
            "rpn": (drawn, *self.proposals.at(pyramid, drawn)),
            "stages": stages,
            "mask_rois": mask_rois,
            "masks": self.masks.run(
                features, mask_rois, sizes, training, supervised=True
            ),
        }
        if self.refinement is not None:
            outputs["refined"] = self.refinement.train(
                self.branches(), features, stages[-1], targets, sizes, training
            )
        return outputs

    def compute_losses(self, outputs: dict, batch: dict) -> dict[str, tf.Tensor]:
        """Unweighted losses of a supervised call.

        Args:
          outputs: what `call(batch, supervised=True)` returned.
          batch: the same batch.

        Returns:
          Term -> scalar float32. Each is divided by a count over all replicas: add the
          terms, sum gradients over replicas, divide by nothing.
        """
        targets = Targets(*(batch[name] for name in Targets._fields))
        terms = self.proposals.losses(*outputs["rpn"])
        terms |= self.boxes.losses(outputs["stages"], targets)
        samples = outputs["stages"][0].samples
        instances = instance_targets(samples, targets, outputs["mask_rois"].boxes)
        terms |= self.masks.losses(outputs["masks"], instances)
        if self.refinement is not None:
            terms |= self.refinement.losses(
                self.branches(), outputs["refined"], targets
            )
        return terms

    def seeds(self, stream_index):
        """One seed pair for each example of the stream: `[B, 2]` int64."""
        # Room below the seed for the salts that tell the draws of one example apart.
        with tf.device("CPU:0"):  # where the index is, and where seeds are read
            index = tf.cast(stream_index, tf.int64)
            return tf.stack([index, tf.zeros_like(index) + self.seed * 16], axis=1)

    def training_mask_rois(self, first) -> MaskRoIs:
        """The foreground samples of the first box stage, on their own boxes.

        Or, where the mask branch trains on predicted boxes, on those predicted there.
        """
        samples, rois = first.samples, pack(first.samples.valid)
        fg = pack(samples.valid & (samples.labels > 0))
        boxes, labels = fg.take(samples.boxes), fg.take(samples.labels)
        if self.masks.train_on_predicted_boxes:
            # Packed deltas have the order of `rois`; the foreground is some of them.
            deltas = tf.boolean_mask(first.deltas, rois.take(samples.labels) > 0)
            boxes = self.boxes.stages[0].coder.decode_class(deltas, labels, boxes)
        return MaskRoIs(boxes, fg.batch_indices, labels)

    def detect(
        self,
        features: dict,
        proposals,
        image_sizes: tf.Tensor,
        boundaries=False,
        boxes_only=False,
    ) -> dict:
        """The detections of a batch by the names of `call`, from its proposals."""
        predicted = self.boxes.predict(features, proposals, image_sizes)
        earlier = None
        if self.refinement is None:
            detections, _ = self.boxes.select.select(
                predicted.scores, predicted.boxes, predicted.valid, image_sizes
            )
        else:
            detections, earlier = self.refinement.detect(
                self.branches(), features, predicted, image_sizes
            )
        if boxes_only:
            return {**detections._asdict(), "features": features}
        masks = self._masks(features, detections, image_sizes, boundaries, earlier)
        return {**detections._asdict(), **masks}

    def masks_on(
        self,
        features: dict,
        detections: Detections,
        image_sizes: tf.Tensor,
        boundaries=False,
    ) -> dict:
        """Masks of boxes that are given, on images that were seen before.

        A refining module reads its mask feature on the boxes themselves, where `call`
        reads it on the boxes that they were refined from.

        Args:
          features: of `call(..., boxes_only=True)`.
          detections: boxes in pixels of these images, with D of any size.
          image_sizes: `[B, 2]` int32, (height, width) before padding.
          boundaries: as for `call`.

        Returns:
          Dict with `masks`, and `mask_scores` and `boundaries` where `call` has them.
        """
        earlier = None
        if self.refinement is not None:
            rois = _mask_rois(pack(detections.valid), detections)
            earlier = self.masks.run(features, rois, image_sizes, training=False)
            earlier = earlier["hidden"]
        return self._masks(features, detections, image_sizes, boundaries, earlier)

    def _masks(self, features, detections, image_sizes, boundaries, earlier) -> dict:
        """Masks of detections; `earlier` is F^- of each, of a refining module."""
        refined = self.refinement.masks if self.refinement is not None else None
        rois = pack(detections.valid)
        outputs = (refined or self.masks).run(
            features,
            _mask_rois(rois, detections),
            image_sizes,
            training=False,
            boundaries=boundaries,
            earlier=earlier,
            judge=self.masks,
        )
        result = {"masks": rois.restore(tf.sigmoid(outputs["mask"]))}
        if "mask_iou" in outputs:
            # Mask Scoring R-CNN's code does not clip what its head predicts.
            ious = rois.restore(outputs["mask_iou"])
            result["mask_scores"] = detections.scores * ious
        if "boundary" in outputs:
            result["boundaries"] = rois.restore(tf.sigmoid(outputs["boundary"]))
        return result

    def load_weights(self, filepath, *args, **kwargs):
        if is_tfmask_file(filepath):
            raise ValueError(
                f"{filepath}: a tfmask weight file, not one of Keras: expected a file "
                "of `save_weights`; load this one with "
                "tfmask.weights.load.load_weights(model, path)"
            )
        return super().load_weights(filepath, *args, **kwargs)

    def get_config(self):
        own = {name: serialize(getattr(self, name)) for name in arguments(type(self))}
        return {"name": self.name, "trainable": self.trainable, **own}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        with keras.saving.custom_object_scope(custom_objects or {}):
            parts = {name: deserialize(value) for name, value in config.items()}
        model = cls(**parts)
        model.build()
        return model

    def get_build_config(self):
        return {"input_shape": None}

    def build_from_config(self, config):
        self.build()


def _mask_rois(rois: Packed, detections: Detections) -> MaskRoIs:
    """The detections of a batch, packed as `rois`."""
    boxes, labels = rois.take(detections.boxes), rois.take(detections.labels)
    return MaskRoIs(boxes, rois.batch_indices, labels)
