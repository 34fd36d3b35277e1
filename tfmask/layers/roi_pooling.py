"""RoIAlign of rois on a pyramid: as a rule of the model, and as Keras layers."""

import dataclasses

import keras
import tensorflow as tf

from tfmask.layers.levels import level_numbers
from tfmask.layers.part import Part, Rule, one_of
from tfmask.layers.rois import RoISpec
from tfmask.ops.roi_align import multilevel_roi_align

ASSIGNMENTS = ("by_size", "all")


@keras.saving.register_keras_serializable(package="tfmask")
@dataclasses.dataclass(frozen=True)
class RoIPooling(Rule):
    """How a model pools what its heads declare, plain or weighted by masks.

    Mask R-CNN sec. 3 (RoIAlign), FPN Eq. 1 (choice of the level), PANet sec. 3.2 (every
    level), MR R-CNN sec. 3.1 (shape-aware RoIAlign).

    Args:
      levels: names of the pyramid levels to pool from where a spec names none, fine to
        coarse; the number in each name is its level, the stride is 2 to that power.
      sampling_ratio: samples per bin and axis; 0: adaptive.
      aligned: shift by half a pixel; see `ops.roi_align.roi_align`.
      canonical_size: side in pixels of a box that belongs to level 4.
      inclusive: boxes follow maskrcnn-benchmark's inclusive corners: the level is
        chosen by the whole box, and pooling reads x2 - 1 and y2 - 1.

    Raises:
      ValueError: no levels, a name that is not a letter and a number, or a size that
        no box has.
    """

    levels: tuple[str, ...] = ("p2", "p3", "p4", "p5")
    sampling_ratio: int = 0
    aligned: bool = True
    canonical_size: float = 224.0
    inclusive: bool = False

    def __post_init__(self):
        object.__setattr__(self, "levels", tuple(self.levels))
        level_numbers(self.levels)
        if not self.canonical_size > 0:
            raise ValueError(f"canonical_size={self.canonical_size}: expected above 0")

    def pool(
        self,
        features,
        spec: RoISpec,
        boxes: tf.Tensor,
        batch_indices: tf.Tensor,
        masks=None,
    ):
        """Pools packed boxes as a head's spec has it.

        Args:
          features: dict of `[B, H, W, C]` by level name, floating.
          spec: bins, levels and their assignment.
          boxes: `[M, 4]` float32, pixels. No gradient.
          batch_indices: `[M]` int32, the image of each box.
          masks: `[M, Hp, Wp]` probabilities in the frame of each box, for shape-aware
            RoIAlign; None: plain RoIAlign.

        Returns:
          `[M, S, S, C]`, or `[M, L, S, S, C]` where the spec assigns each roi to all of
          L levels. float32, or float64 for float64 features.

        Raises:
          ValueError: an unknown assignment; levels that leave one out where a roi is
            assigned by its size.
          KeyError: a level that `features` lacks.
        """
        levels = self.levels if spec.levels is None else spec.levels
        one_of("assign", spec.assign, ASSIGNMENTS)
        # The size of a roi chooses by number.
        numbers = level_numbers(levels, consecutive=spec.assign == "by_size")
        return multilevel_roi_align(
            [features[name] for name in levels],
            boxes,
            batch_indices,
            spec.size,
            [2.0**number for number in numbers],
            numbers[0],
            self.sampling_ratio,
            self.aligned,
            self.canonical_size,
            masks=masks,
            assign=spec.assign,
            inclusive=self.inclusive,
        )


@keras.saving.register_keras_serializable(package="tfmask")
class MultilevelRoIAlign(Part):
    """RoIAlign of every box on the pyramid levels that it is assigned to.

    Mask R-CNN sec. 3 (RoIAlign), FPN Eq. 1 (choice of the level), PANet sec. 3.2 (every
    level).

    Args:
      size: bins per side, S.
      levels, sampling_ratio, aligned, canonical_size, inclusive: see `RoIPooling`.
      assign: `by_size` pools each box from the level that fits its size; `all` pools
        it from each of the L levels.

    Call input: `[features, boxes]`: a dict of `[B, H, W, C]` by level name, and
    `boxes: [B, N, 4] float32, pixels`. Returns `[B, N, S, S, C]`, or
    `[B, N, L, S, S, C]` for `all`; float32 (float64 for float64 features).

    Raises:
      ValueError: an unknown assignment; levels that leave one out, for `by_size`.
    """

    output_dtype = "float32"

    def __init__(
        self,
        size: int,
        *,
        levels: tuple[str, ...] = ("p2", "p3", "p4", "p5"),
        assign: str = "by_size",
        sampling_ratio: int = 0,
        aligned: bool = True,
        canonical_size: float = 224.0,
        inclusive: bool = False,
        **kwargs,
    ):
        # Boxes stay float32 whatever the features are computed in.
        super().__init__(autocast=False, **kwargs)
        one_of("assign", assign, ASSIGNMENTS)
        level_numbers(levels, consecutive=assign == "by_size")
        # XLA has no tf.image.crop_and_resize, and no rows chosen by level.
        self.supports_jit = False
        self.size = size
        self.levels = tuple(levels)
        self.assign = assign
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned
        self.canonical_size = canonical_size
        self.inclusive = inclusive
        self._pooling = RoIPooling(
            self.levels, sampling_ratio, aligned, canonical_size, inclusive
        )

    def build(self, input_shape):
        self.built = True

    def pool(self, features, boxes: tf.Tensor, batch_indices: tf.Tensor, masks=None):
        """Pools packed boxes; see `RoIPooling.pool`.

        Args:
          features: dict of `[B, H, W, C]` by level name.
          boxes: `[M, 4]` float32, pixels.
          batch_indices: `[M]` int32, the image of each box.
          masks: `[M, Hp, Wp]` probabilities in the frame of each box, or None.

        Returns:
          `[M, S, S, C]`, or `[M, L, S, S, C]` for `all`.
        """
        spec = RoISpec(self.size, self.levels, self.assign)
        return self._pooling.pool(features, spec, boxes, batch_indices, masks)

    def call(self, inputs):
        features, boxes = inputs
        return self._pool_padded(features, boxes)

    def _pool_padded(self, features, boxes, masks=None):
        """`[B, N, ...]` instead of packed rois."""
        lead = tf.shape(boxes)[:2]
        batch_indices = tf.repeat(tf.range(lead[0]), lead[1])  # [B*N]
        if masks is not None:
            shape = tf.concat([[lead[0] * lead[1]], tf.shape(masks)[2:]], 0)
            masks = tf.reshape(masks, shape)  # [B*N, Hp, Wp]
        boxes = tf.reshape(boxes, [-1, 4])
        pooled = self.pool(features, boxes, batch_indices, masks)
        return tf.reshape(pooled, tf.concat([lead, pooled.shape[1:]], 0))

    def compute_output_shape(self, input_shape):
        features, boxes = input_shape
        channels = features[self.levels[0]][-1]
        every = (len(self.levels),) if self.assign == "all" else ()
        return (boxes[0], boxes[1], *every, self.size, self.size, channels)
