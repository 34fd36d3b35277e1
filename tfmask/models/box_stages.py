"""Box stages: one is Faster R-CNN, several are Cascade R-CNN.

B images, N rois, M packed rois, K classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from tfmask.layers.part import Part
from tfmask.layers.roi_pooling import RoIPooling
from tfmask.losses import detection as losses
from tfmask.models.packing import pack, rows_at
from tfmask.models.postprocess import DetectionSelection
from tfmask.models.rules import BoxCoder, RoIMatcher, RoISampler, of_class
from tfmask.ops import boxes as box_ops
from tfmask.ops.distribute import cross_replica_sum
from tfmask.ops.masks import InstanceTargets
from tfmask.structures import Proposals, RoISamples, Targets


class StageOutputs(NamedTuple):
    """What a box stage says of its samples in training; M of them are valid."""

    samples: RoISamples
    class_logits: tf.Tensor  # [M, K + 1] float32
    deltas: tf.Tensor  # [M, K, 4] float32, or [M, 1, 4]


class BoxPredictions(NamedTuple):
    """What the stages say of the proposals of a batch; zero where there is none."""

    logits: tf.Tensor  # [B, N, K + 1] float32, channel 0 the background
    scores: tf.Tensor  # [B, N, K] float32, probabilities
    boxes: tf.Tensor  # [B, N, K, 4] float32, pixels, not clipped; [B, N, 1, 4] for all
    valid: tf.Tensor  # [B, N] bool


@keras.saving.register_keras_serializable(package="tfmask")
class BoxStage(Part):
    """A box head, how its boxes are coded, and which rois it takes for foreground.

    Args:
      head: layer with `roi_specs`; dict of pooled features -> (class logits `[M, K+1]`,
        deltas `[M, K, 4]` or `[M, 1, 4]`), float32.
      coder: rules.BoxCoder.
      matcher: rules.RoIMatcher.
    """

    names_weights = False

    def __init__(
        self,
        head: keras.layers.Layer,
        *,
        coder: BoxCoder | None = None,
        matcher: RoIMatcher | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.head = head
        self.coder = coder or BoxCoder()
        self.matcher = matcher or RoIMatcher()

    def build(self, input_shape):
        if not self.head.built:
            self.head.build(pooled_shapes(self.head, input_shape))
        self.built = True


@keras.saving.register_keras_serializable(package="tfmask")
class BoxBranch(Part):
    """Scores and refines boxes, one stage after another (Cascade R-CNN sec. 4).

    Every later stage reads the boxes that the one before it predicts: in training its
    samples keep their number and are labelled anew by its own matcher; at test the
    probabilities of all stages are averaged and the boxes are the last one's. Where
    boxes are class-specific, a later stage reads those of the likeliest class.

    Args:
      stages: BoxStages.
      pooling: layers.roi_pooling.RoIPooling.
      sampler: rules.RoISampler, of the first stage.
      select: postprocess.DetectionSelection.
      smooth_l1_beta: of the box losses; 0: L1.
      gradient_scale: of the gradient that each stage sends into the pyramid; 0: one
        over the number of stages.

    Raises:
      ValueError: no stage.
    """

    names_weights = False

    def __init__(
        self,
        stages: Sequence[BoxStage],
        *,
        pooling: RoIPooling | None = None,
        sampler: RoISampler | None = None,
        select: DetectionSelection | None = None,
        smooth_l1_beta: float = 0.0,
        gradient_scale: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.stages = list(stages)
        if not self.stages:
            raise ValueError("stages=(): expected at least one box stage")
        self.pooling = pooling or RoIPooling()
        self.sampler = sampler or RoISampler()
        self.select = select or DetectionSelection()
        self.smooth_l1_beta = smooth_l1_beta
        self.gradient_scale = gradient_scale
        self.terms = tuple(
            _term(name, number)
            for number in range(len(self.stages))
            for name in ("box_class", "box_regression")
        )

    def build(self, input_shape):
        for stage in self.stages:
            if not stage.built:
                stage.build(input_shape)
        self.built = True

    def train(
        self,
        features: dict,
        proposals: Proposals,
        targets: Targets,
        image_sizes: tf.Tensor,
        seeds,
    ) -> list[StageOutputs]:
        """Every stage on its samples.

        Args:
          features: pyramid levels by name.
          proposals: of the RPN.
          targets: ground truth.
          image_sizes: `[B, 2]` int32.
          seeds: `[B, 2]` int64, one seed pair per image.
        """
        first, outputs, boxes = self.stages[0], [], None
        samples = self.sampler.draw(proposals, targets, first.matcher, seeds)
        for stage in self.stages:
            if boxes is not None:
                samples = stage.matcher.label(boxes, samples, targets)
            rois = pack(samples.valid)
            packed = rois.take(samples.boxes)
            logits, deltas = self.read(stage, features, packed, rois.batch_indices)
            outputs.append(StageOutputs(samples, logits, deltas))
            if stage is self.stages[-1]:
                break
            boxes = self._next_boxes(stage, logits, deltas, packed, rois, image_sizes)
            has_area = box_ops.has_sides(boxes, 0.0)
            samples = samples._replace(valid=samples.valid & has_area)
        return outputs

    def predict(
        self, features: dict, proposals: Proposals, image_sizes: tf.Tensor
    ) -> BoxPredictions:
        """What the stages together say of proposals."""
        rois = pack(proposals.valid)
        packed = rois.take(proposals.boxes)
        total: tf.Tensor = 0.0
        for stage in self.stages:
            logits, deltas = self.read(stage, features, packed, rois.batch_indices)
            total += tf.nn.softmax(logits)
            if stage is not self.stages[-1]:
                boxes = self._next_boxes(
                    stage, logits, deltas, packed, rois, image_sizes
                )
                packed = rois.take(boxes)
        probs = total / len(self.stages)
        if len(self.stages) > 1:
            # Logits of the averaged probabilities: their softmax is the average.
            logits = tf.math.log(tf.maximum(probs, 1e-30))
        return BoxPredictions(
            rois.restore(logits),
            rois.restore(probs[:, 1:]),
            rois.restore(stage.coder.decode(deltas, packed[:, None])),
            proposals.valid,
        )

    def read(self, stage, features: dict, boxes: tf.Tensor, batch_indices: tf.Tensor):
        """A stage's class logits `[M, K+1]` and deltas on packed boxes `[M, 4]`."""
        pooled = {
            name: self.pooling.pool(features, spec, boxes, batch_indices)
            for name, spec in stage.head.roi_specs.items()
        }
        scale = self.gradient_scale or 1.0 / len(self.stages)
        if scale != 1.0:
            pooled = {k: _scale_gradient(v, scale) for k, v in pooled.items()}
        return stage.head(pooled)

    def losses(self, outputs: list[StageOutputs], targets: Targets) -> dict:
        """`box_class` and `box_regression`; of stage i > 1 with `_i` at the end."""
        terms: dict[str, tf.Tensor] = {}
        for number, (stage, output) in enumerate(zip(self.stages, outputs)):
            values = box_losses(output, targets, stage.coder, self.smooth_l1_beta)
            terms |= {_term(name, number): value for name, value in values.items()}
        return terms

    def _next_boxes(self, stage, logits, deltas, packed, rois, image_sizes):
        """Boxes `[B, N, 4]` for the next stage: clipped, without gradient."""
        boxes = stage.coder.decode_class(deltas, likeliest_class(logits), packed)
        sizes = tf.gather(image_sizes, rois.batch_indices)
        return rois.restore(box_ops.clip(boxes, sizes, self.select.inclusive))


def box_losses(output: StageOutputs, targets: Targets, coder: BoxCoder, beta) -> dict:
    """Class and box loss of a stage's samples (Fast R-CNN Eq. 1).

    Args:
      output: of the stage.
      targets: ground truth.
      coder: of the deltas.
      beta: of smooth L1.

    Returns:
      `box_class` and `box_regression`, scalars divided by the number of rois over all
      replicas.
    """
    samples, deltas = output.samples, output.deltas
    rois = pack(samples.valid)
    labels = rois.take(samples.labels)
    matched = tf.gather(targets.boxes, samples.matches, batch_dims=1)
    count = cross_replica_sum(tf.cast(tf.shape(deltas)[0], tf.float32))
    count = tf.maximum(count, 1.0)
    chosen = of_class(deltas, labels)
    expected = coder.encode(rois.take(matched), rois.take(samples.boxes))
    return {
        "box_class": losses.class_sum(output.class_logits, labels) / count,
        "box_regression": losses.box_sum(chosen, expected, labels > 0, beta) / count,
    }


def instance_targets(
    samples: RoISamples, targets: Targets, boxes: tf.Tensor
) -> InstanceTargets:
    """The instances of the foreground samples, to be seen through packed `boxes`."""
    fg = pack(samples.valid & (samples.labels > 0))
    instances = tf.cast(tf.shape(targets.boxes)[1], tf.int64)  # G, of each image
    instance = fg.batch_indices * instances + fg.take(samples.matches)
    return InstanceTargets(
        rows_at(targets.masks, instance),
        rows_at(targets.boxes, instance),
        boxes,
        fg.take(samples.labels),
    )


def likeliest_class(logits: tf.Tensor):
    """The foreground class of the largest logit: `[..., K + 1]` -> `[...]` int32."""
    return 1 + tf.argmax(logits[..., 1:], axis=-1, output_type=tf.int32)


def pooled_shapes(head, pyramid: dict) -> dict:
    """Shapes of what a head wants pooled from a pyramid of these shapes."""
    channels = tuple(next(iter(pyramid.values())))[-1]
    shapes: dict[str, tuple] = {}
    for name, spec in head.roi_specs.items():
        shapes[name] = (None, spec.size, spec.size, channels)
        if spec.assign == "all":
            levels = len(spec.levels or pyramid)
            shapes[name] = (None, levels, spec.size, spec.size, channels)
    return shapes


def _term(name: str, number: int) -> str:
    return f"{name}_{number + 1}" if number else name


@tf.custom_gradient
def _scaled(x, scale):
    return tf.identity(x), lambda upstream: (upstream * tf.cast(scale, x.dtype), None)


def _scale_gradient(x, scale: float):
    """x itself, whose gradient is multiplied by `scale`."""
    return _scaled(x, tf.constant(scale, tf.float32))
