"""The walk from image to result, shared by every architecture."""

import keras
import tensorflow as tf

from tfmask.layers.loss_weights import LossWeights
from tfmask.losses import detection as losses
from tfmask.models.box_stages import box_losses, sample_rois
from tfmask.models.packing import pack
from tfmask.models.postprocess import detect
from tfmask.models.proposals import ProposalGenerator
from tfmask.ops import boxes as box_ops
from tfmask.ops.distribute import cross_replica_sum
from tfmask.ops.masks import mask_targets, select_class
from tfmask.structures import RoISamples, Targets

LEVELS = ("p2", "p3", "p4", "p5", "p6")


class GeneralizedRCNN(keras.Model):
    """Image -> backbone -> neck -> proposals -> boxes -> masks.

    An architecture is a choice of parts, not another pipeline. `call` returns
    predictions, `compute_losses` turns the predictions of a training call into losses.

    Args:
      backbone: layer `[B, H, W, 3] -> {"c2".."c5"}`.
      neck: layer `{"c2".."c5"} -> {"p2".."p6"}`.
      rpn_head: layer, list of levels -> (logits, deltas) a level.
      box_pool: layers.roi_pooling.MultilevelRoIAlign for the box head.
      box_head: layer `[..., 7, 7, C] -> (class logits, deltas)`.
      mask_pools: one MultilevelRoIAlign for each name in the mask head's `roi_specs`.
      mask_head: layer, dict of roi features -> dict of logits (heads.mask_head).
      settings: fields of config.ModelConfig.

    Call input: dict with
      images: `[B, H, W, 3]` uint8 or float, RGB, zero-padded bottom and right, H and W
        multiples of 32.
      image_sizes: `[B, 2]` int32, (height, width) before padding.
      and for training also boxes, labels, masks, crowd, valid (structures.Targets) and
      `stream_index [B]` int64, from which the draws of each image follow.

    Returns, in inference, a dict:
      boxes: `[B, D, 4]` float32, pixels of the input image.
      scores: `[B, D]` float32. labels: `[B, D]` int32, 1..K. valid: `[B, D]` bool.
      masks: `[B, D, 28, 28]` float32 probabilities in the frame of each box.
    In training, a nested dict for `compute_losses`.
    """

    def __init__(
        self,
        backbone,
        neck,
        rpn_head,
        box_pool,
        box_head,
        mask_pools,
        mask_head,
        settings,
        **kwargs,
    ):
        super().__init__(dtype="float32", **kwargs)
        self.backbone = backbone
        self.neck = neck
        self.rpn_head = rpn_head
        self.box_pool = box_pool
        self.box_head = box_head
        self.mask_pools = mask_pools
        self.mask_head = mask_head
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
        terms = ("rpn_objectness", "rpn_box", "box_class", "box_regression", "mask")
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
            detections = self.detect(features, proposals, sizes)
            return {
                **detections._asdict(),
                "masks": self.masks(features, detections),
            }
        targets = Targets(*(inputs[name] for name in Targets._fields))
        seeds = self.seeds(inputs["stream_index"])
        samples = sample_rois(proposals, targets, self.settings.roi, seeds)
        rois = pack(samples.valid)
        class_logits, box_deltas = self.run_box_head(features, samples.boxes, rois)
        fg = pack(samples.valid & (samples.labels > 0))
        return {
            "rpn": (logits, deltas, anchors),
            "samples": samples,
            "boxes": (class_logits, box_deltas),
            "masks": self.run_mask_head(features, samples.boxes, fg),
        }

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
        seeds = self.seeds(batch["stream_index"])
        terms = self.proposer.losses(
            *outputs["rpn"], targets, batch["image_sizes"], seeds
        )
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
        terms["mask"] = self.mask_loss(outputs["masks"], samples, targets)
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

    def detect(self, features, proposals, image_sizes):
        """structures.Detections of a batch, from its proposals."""
        rois = pack(proposals.valid)
        logits, deltas = self.run_box_head(features, proposals.boxes, rois)
        box = self.settings.box
        decoded = box_ops.decode(
            deltas,
            rois.take(proposals.boxes)[:, None],
            box.regression_weights,
            box.max_log_scale,
        )
        return detect(
            rois.restore(tf.nn.softmax(logits)[:, 1:]),
            rois.restore(decoded),
            proposals.valid,
            image_sizes,
            self.settings.postprocess,
            self.settings.inclusive_boxes,
        )

    def run_mask_head(self, features, boxes, rois):
        """The mask head's dict of logits for packed rois."""
        pooled = {
            name: pool.pool(features, rois.take(boxes), rois.images)
            for name, pool in self.mask_pools.items()
        }
        return self.mask_head(pooled)

    def masks(self, features, detections):
        """Mask probabilities `[B, D, S, S]` of each detection's class."""
        rois = pack(detections.valid)
        logits = self.run_mask_head(features, detections.boxes, rois)["mask"]
        chosen = select_class(logits, rois.take(detections.labels))
        return rois.restore(tf.sigmoid(chosen))

    def mask_loss(self, outputs, samples, targets):
        """Mean mask loss over the foreground rois of all replicas, a scalar."""
        rois = pack(samples.valid & (samples.labels > 0))
        matched = rois.take(samples.matches)
        instance = tf.stack([rois.images, matched], axis=1)
        wanted = mask_targets(
            tf.gather_nd(targets.masks, instance),
            tf.gather_nd(targets.boxes, instance),
            rois.take(samples.boxes),
            outputs["mask"].shape[1],
        )
        if not self.settings.mask.soft_targets:
            wanted = tf.cast(wanted >= 0.5, tf.float32)
        logits = select_class(outputs["mask"], rois.take(samples.labels))
        count = cross_replica_sum(tf.cast(tf.shape(logits)[0], tf.float32))
        return losses.mask_sum(logits, wanted) / tf.maximum(count, 1.0)
