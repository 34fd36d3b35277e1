"""High-resolution network (Sun et al. 2019), the trunk of BMask R-CNN's HRNet rows."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfmask.layers.chain import build_chain
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import Part, one_of
from tfmask.layers.residual_block import ResidualBlock
from tfmask.layers.trunk import Trunk
from tfmask.ops.resize import upsample_nearest
from tfmask.structures import FeatureSpec

_LEVELS = ("c2", "c3", "c4", "c5")
_STEM = 64  # channels of the stem, and inside the bottlenecks after it
_BOTTLENECKS = 4


@keras.saving.register_keras_serializable(package="tfmask")
class HighResolutionModule(Part):
    """Branches of several resolutions, and an exchange among all of them.

    Basic blocks in each branch; then every branch gets the sum of all, brought to its
    resolution: coarser ones by a 1x1 convolution and repetition, finer ones by 3x3
    convolutions of stride 2, with ReLU between them. A ReLU follows the sum.

    Args:
      widths: channels of each branch, fine to coarse.
      blocks: of each branch.
      norm, norm_epsilon, train_affine: see ConvNorm.

    Call input: list of `[B, H/2^i, W/2^i, widths[i]]`. Returns the same shapes in the
    layer's compute type.

    Raises:
      ValueError: an unknown norm.
    """

    def __init__(
        self,
        widths: Sequence[int],
        blocks: int = 4,
        *,
        norm: str = "frozen_bn",
        norm_epsilon: float = 1e-5,
        train_affine: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.widths = tuple(widths)
        self.blocks = blocks
        self.norm = norm
        self.norm_epsilon = norm_epsilon
        self.train_affine = train_affine
        # Flat lists: Keras loses layers that lie in lists inside a list or dict.
        self.branches = [
            ResidualBlock(width, "basic", name=f"branch{i}_{k}", **self._options())
            for i, width in enumerate(self.widths)
            for k in range(blocks)
        ]
        self.exchanges: list[keras.layers.Layer] = []
        steps = []
        for to in range(len(self.widths)):
            for source in range(len(self.widths)):
                start = len(self.exchanges)
                self.exchanges += self._exchange(source, to)
                steps.append((source, to, start, len(self.exchanges)))
        self._steps = tuple(steps)

    def _exchange(self, source, to):
        """Layers that bring a branch to another's channels and, where it is coarser,
        resolution."""
        if source > to:
            name = f"fuse{to}_{source}_0"
            return [ConvNorm(self.widths[to], 1, name=name, **self._options())]
        return [
            ConvNorm(
                self.widths[to if step == to - 1 else source],
                strides=2,
                activation=None if step == to - 1 else "relu",
                name=f"fuse{to}_{source}_{step - source}",
                **self._options(),
            )
            for step in range(source, to)
        ]

    def build(self, input_shape):
        for i, shape in enumerate(input_shape):
            for block in self._branch(i):
                block.build(tuple(shape))
        for source, _, start, end in self._steps:
            build_chain(self.exchanges[start:end], self.widths[source])
        self.built = True

    def call(self, inputs, training=None):
        features = []
        for i, x in enumerate(inputs):
            for block in self._branch(i):
                x = block(x, training=training)
            features.append(x)
        sums = list(features)
        for source, to, start, end in self._steps:
            x = features[source]
            for layer in self.exchanges[start:end]:
                x = layer(x, training=training)
            if source > to:
                x = upsample_nearest(x, 2 ** (source - to))
            if source != to:
                sums[to] += x
        return [tf.nn.relu(x) for x in sums]

    def compute_output_shape(self, input_shape):
        return [tuple(shape) for shape in input_shape]

    def _branch(self, i):
        return self.branches[i * self.blocks : (i + 1) * self.blocks]

    def _options(self):
        return dict(
            norm=self.norm,
            norm_epsilon=self.norm_epsilon,
            train_affine=self.train_affine,
            dtype=self.dtype_policy,
        )


@keras.saving.register_keras_serializable(package="tfmask")
class HRNet(Trunk):
    """HRNetV2 trunk that returns its four branches.

    Two 3x3 convolutions of stride 2 and four bottlenecks; then stages of two, three and
    four branches, each stage with a new branch of half the resolution and twice the
    channels (Sun et al. 2019, sec. 3).

    Args:
      width: channels of the finest branch; branch i has width * 2**i. 32 for
        HRNetV2-W32.
      modules: exchanges in the stages of two, three and four branches.
      blocks: basic blocks of each branch between two exchanges.
      norm: `frozen_bn`, `bn`, `sync_bn` or `gn`.
      norm_epsilon: added to the variance.
      train_affine: frozen_bn: scale and offset are trained.
      freeze_at: parts that are not trained, 0 to 5: 1 the two convolutions, 2 also the
        bottlenecks, 3 also the stage of two branches, ...

    Call input: normalised image `[B, H, W, 3]`, H and W multiples of 32. Returns a dict
    `c2`..`c5`: `[B, H/4, W/4, width]` .. `[B, H/32, W/32, 8 width]`, in the layer's
    compute type.

    Raises:
      ValueError: a norm or freeze_at other than these.
    """

    def __init__(
        self,
        width: int = 32,
        *,
        modules: tuple[int, ...] = (1, 4, 3),
        blocks: int = 4,
        norm: str = "frozen_bn",
        norm_epsilon: float = 1e-5,
        train_affine: bool = False,
        freeze_at: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        one_of("freeze_at", freeze_at, range(6))
        self.width = width
        self.modules = tuple(modules)
        self.blocks = blocks
        self.norm = norm
        self.norm_epsilon = norm_epsilon
        self.train_affine = train_affine
        self.freeze_at = freeze_at
        options = dict(
            norm=norm,
            norm_epsilon=norm_epsilon,
            train_affine=train_affine,
            dtype=self.dtype_policy,
        )
        self.stem = [
            ConvNorm(_STEM, strides=2, activation="relu", name=f"stem{i}", **options)
            for i in (1, 2)
        ]
        self.bottlenecks = [
            ResidualBlock(_STEM, "bottleneck", name=f"layer1_{i}", **options)
            for i in range(_BOTTLENECKS)
        ]
        # The first stage turns one feature into two; each later one adds a branch.
        self.transitions = [
            ConvNorm(
                width * 2**branch,
                strides=1 if branch == 0 else 2,
                activation="relu",
                name=f"transition{stage}_{branch}",
                **options,
            )
            for stage, branch in ((2, 0), (2, 1), (3, 2), (4, 3))
        ]
        self.exchanges = [
            HighResolutionModule(
                [width * 2**i for i in range(stage)],
                blocks,
                name=f"stage{stage}_{i}",
                **options,
            )
            for stage, count in zip((2, 3, 4), self.modules)
            for i in range(count)
        ]

    @property
    def output_spec(self) -> dict[str, FeatureSpec]:
        return {
            name: FeatureSpec(self.width * 2**i, 2 ** (i + 2))
            for i, name in enumerate(_LEVELS)
        }

    def build(self, input_shape):
        outer = self.bottlenecks[0].outer
        build_chain(self.stem, input_shape[-1])
        channels = _STEM
        for block in self.bottlenecks:
            block.build((None, None, None, channels))
            channels = outer
        sources = (outer, outer, 2 * self.width, 4 * self.width)
        for layer, channels in zip(self.transitions, sources):
            layer.build((None, None, None, channels))
        for module in self.exchanges:
            module.build([(None, None, None, width) for width in module.widths])
        first, second, third, fourth = self.transitions
        stages = list(self._stages())
        self.freeze(
            [
                self.stem,
                self.bottlenecks,
                [first, second, *stages[0]],
                [third, *stages[1]],
                [fourth, *stages[2]],
            ]
        )
        self.built = True

    def call(self, inputs, training=None):
        x = inputs
        for layer in (*self.stem, *self.bottlenecks):
            x = layer(x, training=training)
        first, *deeper = self.transitions
        branches = [first(x, training=training)]
        for transition, modules in zip(deeper, self._stages()):
            # The new branch is made of the coarsest one, but the second of what the
            # first is made of.
            source = x if len(branches) == 1 else branches[-1]
            branches.append(transition(source, training=training))
            for module in modules:
                branches = module(branches, training=training)
        return dict(zip(_LEVELS, branches))

    def _stages(self):
        """Exchanges of the stages of two, three and four branches."""
        start = 0
        for count in self.modules:
            yield self.exchanges[start : start + count]
            start += count
