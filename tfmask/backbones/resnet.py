"""Residual networks (He et al. 2016), the trunk of every detector here."""

import keras
import tensorflow as tf

from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import one_of
from tfmask.layers.residual_block import DEFORMABLE, ResidualBlock
from tfmask.layers.trunk import Trunk
from tfmask.structures import FeatureSpec

# depth -> (kind of block, blocks in each of the four stages)
_DEPTHS = {
    10: ("basic", (1, 1, 1, 1)),
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    26: ("bottleneck", (2, 2, 2, 2)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
}
_STAGES = ("c2", "c3", "c4", "c5")


@keras.saving.register_keras_serializable(package="tfmask")
class ResNet(Trunk):
    """ResNet or ResNeXt trunk that returns its four stages, plain or deformable.

    Args:
      depth: 10, 18, 34 (basic blocks), 26, 50, 101 (bottlenecks).
      width: channels of the stem; stage i works with width * 2**i.
      groups: bottlenecks: of the 3x3 convolutions; 32 for ResNeXt-101-32x8d.
      width_per_group: bottlenecks: channels of each group in c2, at a width of 64;
        doubled in each stage. 8 for ResNeXt-101-32x8d.
      deformable: bottlenecks: the 3x3 convolutions of some stages are deformable: `v1`
        (Dai et al. 2017) or `modulated` (Zhu et al. 2019); `none`.
      deformable_stages: numbers of these stages, 2 to 5.
      norm: `frozen_bn`, `bn`, `sync_bn` or `gn`.
      norm_epsilon: added to the variance.
      train_affine: frozen_bn: scale and offset are trained.
      stride_in_1x1: where a bottleneck strides.
      freeze_at: parts that are not trained, 0 to 5: 1 the stem, 2 also c2, 3 also c3,
        ...

    Call input: normalised image `[B, H, W, 3]`, H and W multiples of 32. Returns a dict
    `c2`..`c5`: `[B, H/4, W/4, C2]` .. `[B, H/32, W/32, C5]`, in the layer's compute
    type.

    Raises:
      ValueError: a depth, norm, freeze_at, deformable or stage other than these; a
        depth of basic blocks with what only bottlenecks have.
    """

    def __init__(
        self,
        depth: int = 50,
        width: int = 64,
        *,
        groups: int = 1,
        width_per_group: int = 64,
        deformable: str = "none",
        deformable_stages: tuple[int, ...] = (3, 4, 5),
        norm: str = "frozen_bn",
        norm_epsilon: float = 1e-5,
        train_affine: bool = False,
        stride_in_1x1: bool = True,
        freeze_at: int = 2,
        **kwargs,
    ):
        super().__init__(**kwargs)
        one_of("depth", depth, _DEPTHS)
        one_of("freeze_at", freeze_at, range(len(_STAGES) + 2))
        one_of("deformable", deformable, DEFORMABLE)
        for stage in deformable_stages:
            one_of("deformable_stages", stage, range(2, len(_STAGES) + 2))
        # XLA has no maximum pooling with a border of its own.
        self.supports_jit = False
        self.depth = depth
        self.width = width
        self.groups = groups
        self.width_per_group = width_per_group
        self.deformable = deformable
        self.deformable_stages = tuple(deformable_stages)
        self.norm = norm
        self.norm_epsilon = norm_epsilon
        self.train_affine = train_affine
        self.stride_in_1x1 = stride_in_1x1
        self.freeze_at = freeze_at
        options = dict(
            norm=norm,
            norm_epsilon=norm_epsilon,
            train_affine=train_affine,
            dtype=self.dtype_policy,
        )
        self.stem = ConvNorm(
            width, 7, strides=2, activation="relu", name="stem", **options
        )
        kind, self._counts = _DEPTHS[depth]
        # One flat list: Keras loses layers that lie in lists inside a dict.
        self.blocks = [
            ResidualBlock(
                width * 2**stage,
                kind,
                strides=2 if stage > 0 and i == 0 else 1,
                stride_in_1x1=stride_in_1x1,
                groups=groups,
                width_per_group=width_per_group,
                deformable=deformable if stage + 2 in deformable_stages else "none",
                name=f"res{stage + 2}_{i}",
                **options,
            )
            for stage, count in enumerate(self._counts)
            for i in range(count)
        ]

    @property
    def output_spec(self) -> dict[str, FeatureSpec]:
        return {
            name: FeatureSpec(blocks[-1].outer, 2**level)
            for level, (name, blocks) in enumerate(self._stages(), 2)
        }

    def build(self, input_shape):
        self.stem.build(input_shape)
        shape = (None, None, None, self.width)
        for block in self.blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        self.freeze([[self.stem], *(blocks for _, blocks in self._stages())])
        self.built = True

    def call(self, inputs, training=None):
        x = self.stem(inputs, training=training)
        # Zero padding equals the usual minus infinity: the stem ends in ReLU.
        x = tf.nn.max_pool2d(x, 3, 2, [[0, 0], [1, 1], [1, 1], [0, 0]])
        outputs = {}
        for name, blocks in self._stages():
            for block in blocks:
                x = block(x, training=training)
            outputs[name] = x
        return outputs

    def _stages(self):
        """(name, blocks) of each stage, fine to coarse."""
        start = 0
        for name, count in zip(_STAGES, self._counts):
            yield name, self.blocks[start : start + count]
            start += count
