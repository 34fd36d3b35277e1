"""Residual networks (He et al. 2016), the trunk of every detector here."""

import keras
import tensorflow as tf

from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import Part, one_of
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
class ResidualBlock(Part):
    """Two 3x3 convolutions, or 1x1 - 3x3 - 1x1, around a shortcut.

    Args:
      filters: channels inside the block; a bottleneck has four times as many outside.
      kind: `basic` or `bottleneck`.
      strides: 1 or 2.
      stride_in_1x1: bottleneck: the stride is on the first 1x1 (MSRA) or on the 3x3.
      norm, norm_epsilon, train_affine: see ConvNorm.

    Call input: `[B, H, W, C]`. Returns `[B, H/s, W/s, outer channels]` in the layer's
    compute type.

    Raises:
      ValueError: an unknown kind, stride or norm.
    """

    def __init__(
        self,
        filters,
        kind,
        *,
        strides=1,
        stride_in_1x1=True,
        norm="frozen_bn",
        norm_epsilon=1e-5,
        train_affine=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        one_of("kind", kind, ("basic", "bottleneck"))
        one_of("strides", strides, (1, 2))
        self.filters = filters
        self.kind = kind
        self.strides = strides
        self.stride_in_1x1 = stride_in_1x1
        self.norm = norm
        self.norm_epsilon = norm_epsilon
        self.train_affine = train_affine
        # A stride in the first 1x1 skips cells of the input, for the shortcut too: they
        # are left out once, before both.
        self.skip = strides if kind == "bottleneck" and stride_in_1x1 else 1
        step = strides // self.skip
        if kind == "basic":
            specs = [(filters, 3, step), (filters, 3, 1)]
        else:
            specs = [(filters, 1, 1), (filters, 3, step), (4 * filters, 1, 1)]
        self.outer = specs[-1][0]
        self.convs = [
            self._conv(f"conv{i}", *spec, "relu" if i < len(specs) else None)
            for i, spec in enumerate(specs, 1)
        ]
        self.shortcut = None

    def build(self, input_shape):
        if input_shape[-1] != self.outer or self.strides != 1:
            step = self.strides // self.skip
            self.shortcut = self._conv("shortcut", self.outer, 1, step)
            self.shortcut.build(input_shape)
        shape = input_shape
        for conv in self.convs:
            conv.build(shape)
            shape = conv.compute_output_shape(shape)
        self.built = True

    def call(self, inputs, training=None):
        if self.skip > 1:
            inputs = inputs[:, :: self.skip, :: self.skip]
        x = inputs
        for conv in self.convs:
            x = conv(x, training=training)
        if self.shortcut is not None:
            inputs = self.shortcut(inputs, training=training)
        return tf.nn.relu(x + inputs)

    def compute_output_shape(self, input_shape):
        sides = [s if s is None else -(-s // self.skip) for s in input_shape[1:3]]
        shape = (input_shape[0], *sides, input_shape[3])
        for conv in self.convs:
            shape = conv.compute_output_shape(shape)
        return shape

    def _conv(self, name, filters, kernel_size, strides, activation=None):
        return ConvNorm(
            filters,
            kernel_size,
            strides=strides,
            norm=self.norm,
            norm_epsilon=self.norm_epsilon,
            train_affine=self.train_affine,
            activation=activation,
            dtype=self.dtype_policy,
            name=name,
        )


@keras.saving.register_keras_serializable(package="tfmask")
class ResNet(Part):
    """ResNet trunk that returns its four stages.

    Args:
      depth: 10, 18, 34 (basic blocks), 26, 50, 101 (bottlenecks).
      width: channels of the stem; stage i works with width * 2**i.
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
      ValueError: a depth, norm or freeze_at other than these.
    """

    def __init__(
        self,
        depth=50,
        width=64,
        *,
        norm="frozen_bn",
        norm_epsilon=1e-5,
        train_affine=False,
        stride_in_1x1=True,
        freeze_at=2,
        **kwargs,
    ):
        super().__init__(**kwargs)
        one_of("depth", depth, _DEPTHS)
        one_of("freeze_at", freeze_at, range(len(_STAGES) + 2))
        # XLA has no maximum pooling with a border of its own.
        self.supports_jit = False
        self.depth = depth
        self.width = width
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
        groups = [[self.stem], *(blocks for _, blocks in self._stages())]
        for group in groups[: self.freeze_at]:
            for layer in group:
                layer.trainable = False
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

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape
        return {
            name: (
                batch,
                *(s if s is None else -(-s // spec.stride) for s in sides),
                spec.channels,
            )
            for name, spec in self.output_spec.items()
        }

    def _stages(self):
        """(name, blocks) of each stage, fine to coarse."""
        start = 0
        for name, count in zip(_STAGES, self._counts):
            yield name, self.blocks[start : start + count]
            start += count
