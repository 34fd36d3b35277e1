"""The walk from image to result, shared by every architecture."""

import keras
import tensorflow as tf

from tfmask.layers.loss_weights import LossWeights
from tfmask.models.box_stages import (
    BoxPredictions,
    box_losses,
    boxes_of_class,
    instance_targets,
    sample_rois,
)
from tfmask.models.mask_branch import MaskBranch, MaskRoIs
from tfmask.models.packing import pack
from tfmask.models.postprocess import detect
from tfmask.models.proposals import ProposalGenerator
from tfmask.models.refine import RefiningModule
from tfmask.ops import boxes as box_ops
from tfmask.ops.masks import select_class
from tfmask.structures import RoISamples, Targets

LEVELS = ("p2", "p3", "p4", "p5", "p6")


class GeneralizedRCNN(keras.Model):
    """Image -> backbone -> neck -> proposals -> boxes -> masks (-> both refined).

    An architecture is a choice of parts, not another pipeline. `call` returns
    predictions, `compute_losses` turns the predictions of a training call into losses.

    Args:
      backbone: layer `[B, H, W, 3] -> {"c2".."c5"}`.
      neck: layer `{"c2".."c5"} -> {"p2".."p6"}`.
      rpn_head: layer, list of levels -> (logits, deltas) a level, and the same of
        chosen anchors by `at`: see heads.rpn_head.RPNHead.
      box_pool: layers.roi_pooling.MultilevelRoIAlign for the box head.
      box_head: layer `[..., 7, 7, C] -> (class logits, deltas)`.
      mask_branch: models.mask_branch.MaskBranch.
      settings: fields of config.ModelConfig.
      refiner: models.refine.RefiningModule or None.

    Call input: dict with
      images: `[B, H, W, 3]` uint8 or float, RGB, zero-padded bottom and right, H and W
        multiples of 32.
      image_sizes: `[B, 2]` int32, (height, width) before padding.
      and for training also boxes, labels, masks, crowd, valid (structures.Targets) and
      `stream_index [B]` int64, from which the draws of each image follow.

    Returns, in inference, a dict:
      boxes: `[B, D, 4]` float32, pixels of the input image.
      scores: `[B, D]` float32. labels: `[B, D]` int32, 1..K. valid: `[B, D]` bool.
      masks: `[B, D, T, T]` float32 probabilities in the frame of each box.
      mask_scores: `[B, D]` float32, score x MaskIoU, where the model has a MaskIoU
        head: what ranks the masks.
      boundaries: `[B, D, T, T]` float32 probabilities, where `show_boundaries` is set
        and the model predicts boundaries.
    In training, a nested dict for `compute_losses`.
    """

    def __init__(
        self,
        backbone,
        neck,
        rpn_head,
        box_pool,
        box_head,
        mask_branch: MaskBranch,
        settings,
        refiner: RefiningModule | None = None,
        **kwargs,
    ):
        super().__init__(dtype="float32", **kwargs)
        self.backbone = backbone
        self.neck = neck
        self.rpn_head = rpn_head
        self.box_pool = box_pool
        self.box_head = box_head
        self.mask_branch = mask_branch
        self.mask_layers = [*mask_branch.pools.values(), *mask_branch.layers]
        self.refiner = refiner
        self.refine_layers = refiner.layers if refiner else []
        self.show_boundaries = False
        self.settings = settings
        self.seed = 0
        self.proposer = ProposalGenerator(
            settings.rpn,
            settings.anchors,
            [2 ** int(name[1:]) for name in LEVELS],
            settings.roi.crowd_ioa,
            settings.box.max_log_scale,
            settings.inclusive_boxes,
        )
        terms = ("rpn_objectness", "rpn_box", "box_class", "box_regression")
        terms += mask_branch.terms + (refiner.terms if refiner else ())
        self.loss_weights = LossWeights(terms, name="loss_weights")

    def call(self, inputs, training=False):
        images, sizes = inputs["images"], inputs["image_sizes"]
        x = self.normalise(images, sizes)
        features = self.backbone(x, training=training)
        features = self.neck(features, training=training)
        pyramid = [features[name] for name in LEVELS]
        logits, deltas = self.rpn_head(pyramid)
        anchors = self.proposer.anchors(pyramid, images)
        proposals = self.proposer.propose(logits, deltas, anchors, sizes, training)
        if not training:
            return self.detect(features, proposals, sizes)
        targets = Targets(*(inputs[name] for name in Targets._fields))
        seeds = self.seeds(inputs["stream_index"])
        drawn = self.proposer.draw(anchors, targets, sizes, seeds)
        samples = sample_rois(proposals, targets, self.settings.roi, seeds)
        rois = pack(samples.valid)
        boxes = self.run_box_head(features, samples.boxes, rois)
        mask_rois = self.training_mask_rois(samples, rois, boxes[1])
        outputs = {
            "rpn": (drawn, *self.rpn_head.at(pyramid, drawn.index)),
            "samples": samples,
            "boxes": boxes,
            "mask_rois": mask_rois,
            "masks": self.mask_branch.run(features, mask_rois, sizes, training=True),
        }
        if self.refiner is not None:
            outputs["refined"] = self.refiner.train(
                features, samples, boxes, targets, sizes
            )
        return outputs

    def compute_losses(self, outputs, batch) -> dict[str, tf.Tensor]:
        """Unweighted losses of a training call.

        Args:
          outputs: what `call(batch, training=True)` returned.
          batch: the same batch.

        Returns:
          Term -> scalar float32. Each is divided by a count over all replicas: add the
          terms, sum gradients over replicas, divide by nothing.
        """
        targets = Targets(*(batch[name] for name in Targets._fields))
        terms = self.proposer.losses(*outputs["rpn"])
        samples: RoISamples = outputs["samples"]
        rois = pack(samples.valid)
        matched = tf.gather(targets.boxes, samples.matches, batch_dims=1)
        terms |= box_losses(
            *outputs["boxes"],
            rois.take(samples.boxes),
            rois.take(samples.labels),
            rois.take(matched),
            weights=self.settings.box.regression_weights,
            beta=self.settings.box.smooth_l1_beta,
        )
        wanted = instance_targets(samples, targets, outputs["mask_rois"].boxes)
        terms |= self.mask_branch.losses(outputs["masks"], wanted)
        if self.refiner is not None:
            terms |= self.refiner.losses(outputs["refined"], targets)
        return terms

    def normalise(self, images, image_sizes):
        """Pixels to the backbone's input; padding is zero after it, as elsewhere.

        Args:
          images: `[B, H, W, 3]` RGB.
          image_sizes: `[B, 2]` int32.

        Returns:
          `[B, H, W, 3]` float32, in the channel order of the weights.
        """
        settings = self.settings
        x = tf.cast(images, tf.float32) - tf.constant(settings.pixel_mean)
        x = x / tf.constant(settings.pixel_std)
        if settings.channel_order == "bgr":
            x = tf.reverse(x, axis=[-1])
        rows = tf.sequence_mask(image_sizes[:, 0], tf.shape(images)[1])
        columns = tf.sequence_mask(image_sizes[:, 1], tf.shape(images)[2])
        inside = rows[:, :, None] & columns[:, None, :]
        return x * tf.cast(inside, tf.float32)[..., None]

    def seeds(self, stream_index):
        """One seed pair for each example of the stream: `[B, 2]` int64."""
        index = tf.cast(stream_index, tf.int64)
        # Room below the seed for the salts that tell the draws of one example apart.
        return tf.stack([index, tf.zeros_like(index) + self.seed * 16], axis=1)

    def run_box_head(self, features, boxes, rois):
        """Class logits `[M, K+1]` and deltas `[M, K, 4]` of packed rois."""
        return self.box_head(
            self.box_pool.pool(features, rois.take(boxes), rois.images)
        )

    def predict_boxes(self, features, proposals) -> BoxPredictions:
        """What the box head says of proposals."""
        rois = pack(proposals.valid)
        logits, deltas = self.run_box_head(features, proposals.boxes, rois)
        box = self.settings.box
        decoded = box_ops.decode(
            deltas,
            rois.take(proposals.boxes)[:, None],
            box.regression_weights,
            box.max_log_scale,
        )
        return BoxPredictions(
            rois.restore(logits),
            rois.restore(tf.nn.softmax(logits)[:, 1:]),
            rois.restore(decoded),
            proposals.valid,
        )

    def detect(self, features, proposals, image_sizes) -> dict:
        """The detections of a batch by the names of `call`, from its proposals."""
        predicted = self.predict_boxes(features, proposals)
        branch, earlier = self.mask_branch, None
        if self.refiner is not None:
            detections, earlier = self.refiner.detect(features, predicted, image_sizes)
            branch = self.refiner.masks or branch
        else:
            detections = detect(
                predicted.scores,
                predicted.boxes,
                predicted.valid,
                image_sizes,
                self.settings.postprocess,
                self.settings.inclusive_boxes,
            )
        masks = self.masks(branch, features, detections, image_sizes, earlier)
        return {**detections._asdict(), **masks}

    def training_mask_rois(self, samples, rois, box_deltas):
        """The foreground samples, on their own boxes or on those predicted there."""
        fg = pack(samples.valid & (samples.labels > 0))
        boxes, labels = fg.take(samples.boxes), fg.take(samples.labels)
        if self.settings.mask.train_on_predicted_boxes:
            # Packed deltas have the order of `rois`; the foreground is some of them.
            deltas = tf.boolean_mask(box_deltas, rois.take(samples.labels) > 0)
            box = self.settings.box
            boxes = boxes_of_class(
                deltas, labels, boxes, box.regression_weights, box.max_log_scale
            )
        return MaskRoIs(boxes, fg.images, labels)

    def masks(self, branch, features, detections, image_sizes, earlier=None):
        """What a mask branch says of each detection, by the names of `call`."""
        rois = pack(detections.valid)
        labels = rois.take(detections.labels)
        outputs = branch.run(
            features,
            MaskRoIs(rois.take(detections.boxes), rois.images, labels),
            image_sizes,
            training=False,
            boundaries=self.show_boundaries,
            earlier=earlier,
        )
        chosen = select_class(outputs["mask"], labels)
        found = {"masks": rois.restore(tf.sigmoid(chosen))}
        if "mask_iou" in outputs:
            ious = rois.restore(outputs["mask_iou"])
            found["mask_scores"] = detections.scores * tf.clip_by_value(ious, 0.0, 1.0)
        if "boundary" in outputs:
            edges = outputs["boundary"]
            if edges.shape.rank == 4:
                edges = select_class(edges, labels)
            found["boundaries"] = rois.restore(tf.sigmoid(edges))
        return found
