"""The block of residual networks (He et al. 2016)."""

import keras
import tensorflow as tf

from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.deform_conv import DeformableConv
from tfmask.layers.part import Part, one_of

DEFORMABLE = ("none", "v1", "modulated")


@keras.saving.register_keras_serializable(package="tfmask")
class ResidualBlock(Part):
    """Two 3x3 convolutions, or 1x1 - 3x3 - 1x1, around a shortcut.

    Args:
      filters: channels inside the block; a bottleneck has four times as many outside.
      kind: `basic` or `bottleneck`.
      strides: 1 or 2.
      stride_in_1x1: bottleneck: the stride is on the first 1x1 (MSRA) or on the 3x3.
      groups: bottleneck: of the 3x3 (ResNeXt, Xie et al. 2017).
      width_per_group: bottleneck: channels inside of each group, for 64 filters; more
        filters have more in proportion.
      deformable: bottleneck: the 3x3 is deformable, `v1` or `modulated`; `none`.
      norm, norm_epsilon, train_affine: see ConvNorm.

    Call input: `[B, H, W, C]`. Returns `[B, H/s, W/s, outer channels]` in the layer's
    compute type.

    Raises:
      ValueError: an unknown kind, stride, norm or deformable; a basic block with what
        only bottlenecks have.
    """

    def __init__(
        self,
        filters: int,
        kind: str,
        *,
        strides: int = 1,
        stride_in_1x1: bool = True,
        groups: int = 1,
        width_per_group: int = 64,
        deformable: str = "none",
        norm: str = "frozen_bn",
        norm_epsilon: float = 1e-5,
        train_affine: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        one_of("kind", kind, ("basic", "bottleneck"))
        one_of("strides", strides, (1, 2))
        one_of("deformable", deformable, DEFORMABLE)
        if kind == "basic" and (groups, width_per_group, deformable) != (1, 64, "none"):
            raise ValueError(
                f"groups={groups}, width_per_group={width_per_group}, "
                f"deformable={deformable!r} with kind='basic': expected a bottleneck"
            )
        self.filters = filters
        self.kind = kind
        self.strides = strides
        self.stride_in_1x1 = stride_in_1x1
        self.groups = groups
        self.width_per_group = width_per_group
        self.deformable = deformable
        self.norm = norm
        self.norm_epsilon = norm_epsilon
        self.train_affine = train_affine
        # A stride in the first 1x1 skips cells of the input, for the shortcut too: they
        # are left out once, before both.
        self.skip = strides if kind == "bottleneck" and stride_in_1x1 else 1
        step = strides // self.skip
        inner = max(filters * width_per_group // 64, 1) * groups
        if kind == "basic":
            specs = [(filters, 3, step), (filters, 3, 1)]
        else:
            specs = [(inner, 1, 1), (inner, 3, step), (4 * filters, 1, 1)]
        self.outer = specs[-1][0]
        self.convs = [
            self._conv(f"conv{i}", *spec, "relu" if i < len(specs) else None)
            for i, spec in enumerate(specs, 1)
        ]
        self.shortcut: ConvNorm | None = None

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
        # The gradient of a plain sum looks for broadcasting, and copies both.
        return tf.nn.relu(tf.add_n([x, inputs]))

    def compute_output_shape(self, input_shape):
        sides = [s if s is None else -(-s // self.skip) for s in input_shape[1:3]]
        shape = (input_shape[0], *sides, input_shape[3])
        for conv in self.convs:
            shape = conv.compute_output_shape(shape)
        return shape

    def _conv(self, name, filters, kernel_size, strides, activation=None):
        options = dict(
            strides=strides,
            norm=self.norm,
            norm_epsilon=self.norm_epsilon,
            train_affine=self.train_affine,
            activation=activation,
            dtype=self.dtype_policy,
            name=name,
        )
        if kernel_size == 1 or self.kind == "basic":
            return ConvNorm(filters, kernel_size, **options)
        options["groups"] = self.groups
        if self.deformable == "none":
            return ConvNorm(filters, kernel_size, **options)
        modulated = self.deformable == "modulated"
        return DeformableConv(filters, kernel_size, modulated=modulated, **options)
