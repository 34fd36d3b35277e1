"""The region proposal network: from a feature pyramid to proposals, and its losses."""

from dataclasses import dataclass

import keras
import tensorflow as tf

from tfmask.layers.part import Part, Rule, one_of
from tfmask.losses import detection as losses
from tfmask.models.packing import index_type, map_images
from tfmask.models.rules import (
    ANCHOR_SALT,
    AnchorGenerator,
    AnchorMatcher,
    BoxCoder,
    salted,
)
from tfmask.ops import boxes as box_ops
from tfmask.ops import sampling
from tfmask.ops.distribute import cross_replica_sum
from tfmask.ops.nms import ABSENT, nms
from tfmask.structures import AnchorSamples, Proposals

# The RPN regresses unweighted deltas in every lineage.
RPN_WEIGHTS = (1.0, 1.0, 1.0, 1.0)


@keras.saving.register_keras_serializable(package="tfmask")
@dataclass(frozen=True, kw_only=True)
class ProposalSelection(Rule):
    """Which decoded anchors become proposals (FPN sec. 4.1).

    Args:
      pre_nms_train, pre_nms_test: best anchors of each level that suppression sees.
      post_nms_train, post_nms_test: proposals per image.
      post_nms_scope: training: `image`, or `batch`: the best post_nms_train x images of
        a replica's whole batch, however they are spread over its images
        (maskrcnn-benchmark).
      nms_iou: of suppression within each level.
      min_size: pixels; proposals with a smaller side are dropped.
      inclusive: clip by maskrcnn-benchmark's rule, see ops.boxes.clip.

    Raises:
      ValueError: an unknown scope.
    """

    pre_nms_train: int = 2000
    post_nms_train: int = 1000
    post_nms_scope: str = "image"
    pre_nms_test: int = 1000
    post_nms_test: int = 1000
    nms_iou: float = 0.7
    min_size: float = 0.0
    inclusive: bool = False

    def __post_init__(self):
        one_of("post_nms_scope", self.post_nms_scope, ("image", "batch"))


@keras.saving.register_keras_serializable(package="tfmask")
class RegionProposals(Part):
    """Region proposal network (Faster R-CNN sec. 3, on a pyramid as FPN sec. 4.1).

    Args:
      head: heads.rpn_head.RPNHead or a layer like it: a list of levels -> (logits,
        deltas) of each level, and the same of chosen anchors by `at`.
      anchors: rules.AnchorGenerator.
      matcher: rules.AnchorMatcher.
      selection: ProposalSelection.
      coder: rules.BoxCoder; by default without weights.
      batch: anchors per image that train.
      fg_fraction: largest share of foreground among them.
      smooth_l1_beta: of the box loss; 0: L1.
      normalizer: losses are divided by `batch`: images x batch, or by the number
        `sampled`.
      backbone, neck: for a network that is trained apart from the detector and shares
        no layer with it (MaskPlus sec. 4.2); None: the detector's pyramid is read.

    Raises:
      ValueError: an unknown normalizer, or one of backbone and neck without the other.
    """

    names_weights = False

    def __init__(
        self,
        head: keras.layers.Layer,
        *,
        anchors: AnchorGenerator | None = None,
        matcher: AnchorMatcher | None = None,
        selection: ProposalSelection | None = None,
        coder: BoxCoder | None = None,
        batch: int = 256,
        fg_fraction: float = 0.5,
        smooth_l1_beta: float = 0.0,
        normalizer: str = "batch",
        backbone: keras.layers.Layer | None = None,
        neck: keras.layers.Layer | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        one_of("normalizer", normalizer, ("batch", "sampled"))
        if (backbone is None) != (neck is None):
            raise ValueError(
                f"backbone={backbone}, neck={neck}: expected both, for a network with "
                "a trunk of its own, or neither"
            )
        self.head = head
        self.anchors = anchors or AnchorGenerator()
        self.matcher = matcher or AnchorMatcher()
        self.selection = selection or ProposalSelection()
        self.coder = coder or BoxCoder(regression_weights=RPN_WEIGHTS)
        self.batch = batch
        self.fg_fraction = fg_fraction
        self.smooth_l1_beta = smooth_l1_beta
        self.normalizer = normalizer
        self.backbone = backbone
        self.neck = neck
        self.terms = ("rpn_objectness", "rpn_box")

    def build(self, input_shape):
        """From the shapes of the detector's pyramid, or of the image and those."""
        image, pyramid = input_shape
        if self.neck is not None:
            pyramid = build_trunk(self.backbone, self.neck, image)
        if len(self.anchors.sizes) != len(pyramid):
            raise ValueError(
                f"anchors.sizes={self.anchors.sizes}: expected {len(pyramid)}, one for "
                f"each level of the pyramid: {', '.join(pyramid)}"
            )
        if not self.head.built:
            self.head.build([tuple(shape) for shape in pyramid.values()])
        self.built = True

    def pyramid(self, inputs, features: dict, training: bool | None) -> dict:
        """The features that the head reads, fine to coarse.

        Args:
          inputs: the normalised image `[B, H, W, C]`.
          features: the detector's pyramid.
          training: of layers that differ in it.
        """
        if self.neck is None or self.backbone is None:
            return features
        return self.neck(self.backbone(inputs, training=training), training=training)

    def propose(
        self, pyramid: dict, anchors, image_sizes: tf.Tensor, training: bool | None
    ) -> Proposals:
        """The best boxes of each image after suppression within each level.

        Args:
          pyramid: dict of `[B, H, W, C]` by level name.
          anchors: one `[A_l, 4]` for each level.
          image_sizes: `[B, 2]` int32.
          training: chooses the counts.

        Returns:
          Proposals. No gradient.
        """
        logits, deltas = self.head(list(pyramid.values()))
        select = self.selection
        pre = select.pre_nms_train if training else select.pre_nms_test
        post = select.post_nms_train if training else select.post_nms_test
        shared = training and select.post_nms_scope == "batch"
        # Of a whole batch one image may have them all.
        count = post * tf.shape(image_sizes)[0] if shared else post

        limit = pre if shared else min(pre, post)
        boxes, scores, sizes = self._best_of_levels(
            [tf.stop_gradient(v) for v in logits],
            [tf.stop_gradient(v) for v in deltas],
            anchors,
            image_sizes,
            pre,
        )
        kept, present = self._suppress(boxes, scores, sizes, limit)
        scores = tf.where(
            present, tf.gather(scores, kept, batch_dims=1), tf.constant(2 * ABSENT)
        )
        length = tf.shape(scores)[1]
        best, index = tf.math.top_k(scores, tf.minimum(count, length))
        index = tf.gather(kept, index, batch_dims=1)
        missing = count - tf.shape(best)[1]
        scores = tf.pad(best, [[0, 0], [0, missing]], constant_values=2 * ABSENT)
        boxes = tf.gather(boxes, index, batch_dims=1)
        boxes = tf.pad(boxes, [[0, 0], [0, missing], [0, 0]])
        boxes, scores = tf.stop_gradient(boxes), tf.stop_gradient(scores)
        known = None if shared else post
        boxes = tf.ensure_shape(boxes, [None, known, 4])
        scores = tf.ensure_shape(scores, [None, known])
        valid = scores > ABSENT
        if shared:
            valid &= _best_of_batch(scores, count)
        return Proposals(boxes * tf.cast(valid, tf.float32)[..., None], scores, valid)

    def _best_of_levels(self, logits, deltas, anchors, image_sizes, pre):
        """The anchors of each level with the largest logits, decoded.

        Returns:
          (boxes `[B, K, 4]`, scores `[B, K]`, ABSENT and below for boxes that are no
          proposals; how many of the K each level has, the same for every image)
        """
        tops, chosen, around = [], [], []
        for logit, delta, anchor in zip(logits, deltas, anchors):
            top, index = tf.math.top_k(logit, tf.minimum(pre, tf.shape(logit)[1]))
            tops.append(top)
            chosen.append(tf.gather(delta, index, batch_dims=1))
            around.append(tf.gather(anchor, index))
        scores = tf.concat(tops, axis=1)
        boxes = self.coder.decode(tf.concat(chosen, axis=1), tf.concat(around, axis=1))
        boxes = box_ops.clip(boxes, image_sizes[:, None], self.selection.inclusive)
        usable = box_ops.has_sides(boxes, self.selection.min_size)
        usable &= tf.math.is_finite(scores)
        sizes = [tf.shape(top)[1] for top in tops]
        return boxes, tf.where(usable, scores, tf.constant(2 * ABSENT)), sizes

    def _suppress(self, boxes, scores, sizes, limit):
        """Suppression within each level of each image.

        Returns:
          (`[B, L * limit]` integer, the boxes of each level that are kept, best first,
          then any; `[B, L * limit]` bool, which of them are kept)
        """

        def one_image(args):
            levels = zip(tf.split(args[0], sizes), tf.split(args[1], sizes))
            results = [nms(*level, self.selection.nms_iou, limit) for level in levels]
            return tuple(_stacked(numbers) for numbers in zip(*results))

        kind = index_type()
        kept, found = map_images(one_image, (boxes, scores), (kind, kind))
        start = tf.cast(tf.cumsum(tf.stack(sizes), exclusive=True), kind)
        present = tf.range(limit, dtype=kind) < found[..., None]
        kept = tf.where(present, kept + start[:, None], tf.constant(0, kind))
        shape = [-1, len(sizes) * limit]
        return tf.reshape(kept, shape), tf.reshape(present, shape)

    def draw(self, anchors, targets, image_sizes: tf.Tensor, seeds) -> AnchorSamples:
        """Draws the anchors that train (Faster R-CNN sec. 3.1.3).

        Args:
          anchors: one `[A_l, 4]` for each level.
          targets: structures.Targets.
          image_sizes: `[B, 2]` int32.
          seeds: `[B, 2]` int64, one seed pair per image.

        Returns:
          AnchorSamples, S = the smaller of `batch` and the number of anchors.
        """
        anchors = tf.concat(anchors, axis=0)  # [A, 4]

        labels, index = self.matcher.label(anchors, targets, image_sizes)
        chosen, is_fg, used = sampling.draw(
            labels, self.batch, self.fg_fraction, salted(seeds, ANCHOR_SALT)
        )
        instance = tf.gather(index, chosen, batch_dims=1)
        matched = tf.gather(targets.boxes, instance, batch_dims=1)
        deltas = self.coder.encode(matched, tf.gather(anchors, chosen))
        return AnchorSamples(chosen, is_fg, deltas, used)

    def at(self, pyramid: dict, samples: AnchorSamples):
        """What the head says of drawn anchors: (logits `[B, S]`, deltas `[B, S, 4]`).

        Computed from their cells alone: see RPNHead.at.
        """
        return self.head.at(list(pyramid.values()), samples.index)

    def losses(
        self, samples: AnchorSamples, logits: tf.Tensor, deltas: tf.Tensor
    ) -> dict:
        """Objectness and box loss of drawn anchors (Faster R-CNN Eq. 1).

        Args:
          samples: of `draw`.
          logits: `[B, S]` float32, of these anchors.
          deltas: `[B, S, 4]` float32, of these anchors.

        Returns:
          `rpn_objectness` and `rpn_box`: scalars, divided by the count of all replicas.
        """
        is_fg, used = samples.is_fg, samples.valid
        num_images = cross_replica_sum(tf.cast(tf.shape(logits)[0], tf.float32))
        sampled = cross_replica_sum(tf.reduce_sum(tf.cast(used, tf.float32)))
        drawn = num_images * self.batch
        count = drawn if self.normalizer == "batch" else sampled
        count = tf.maximum(count, 1.0)
        objectness = losses.objectness_sum(logits, is_fg, used)
        box = losses.box_sum(deltas, samples.deltas, is_fg, self.smooth_l1_beta)
        return {"rpn_objectness": objectness / count, "rpn_box": box / count}


def _stacked(numbers) -> tf.Tensor:
    """int32 tensors of one shape as one of `index_type`.

    As the words of float32: TensorFlow stacks int32 on the host, also where it lies on
    a GPU. Converters know no such words.
    """
    kind = index_type()
    if kind == tf.int32:
        return tf.stack(numbers)
    words = tf.stack([tf.bitcast(n, tf.float32) for n in numbers])
    return tf.cast(tf.bitcast(words, tf.int32), kind)


def build_trunk(backbone, neck, image_shape) -> dict:
    """Builds a backbone and the neck on it.

    Args:
      backbone, neck: layers with `output_spec`; built ones stay as they are.
      image_shape: (batch, height, width, channels) of the normalised image.

    Returns:
      Shape of each level that the neck gives, of open height and width.

    Raises:
      ValueError: a level whose name does not say its stride.
    """
    if not backbone.built:
        backbone.build(tuple(image_shape))
    if not neck.built:
        neck.build(_shapes(backbone))
    return _shapes(neck)


def _shapes(layer) -> dict:
    for name, spec in layer.output_spec.items():
        if not name[1:].isdigit() or 2 ** int(name[1:]) != spec.stride:
            raise ValueError(
                f"{type(layer).__name__}: feature {name!r} of stride {spec.stride}: "
                "expected a letter and the logarithm of the stride, as p3 for stride 8"
            )
    return {
        name: (None, None, None, spec.channels)
        for name, spec in layer.output_spec.items()
    }


def _best_of_batch(scores, count):
    """The `count` best entries of the whole batch (FPN_POST_NMS_PER_BATCH)."""
    flat = tf.reshape(scores, [-1])
    last = tf.math.top_k(flat, tf.minimum(count, tf.size(flat))).values[-1]
    return scores >= last
