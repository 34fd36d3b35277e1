"""The contract of necks, and the top-down pathway that they share.

A neck is a Keras layer that says in `output_spec` which levels it gives, and in
`roi_levels` from which of them rois are pooled; the proposals read all of them.
`call` takes and returns a dict of feature maps by name.
"""

import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.levels import level_numbers
from tfmask.layers.part import Part
from tfmask.ops.resize import upsample_nearest
from tfmask.structures import FeatureSpec


class PyramidNeck(Part):
    """Base of necks that give one level for each of the backbone's, and a coarser one.

    A subclass has the attributes `channels`, of every output, and `levels`, names of
    the backbone's levels, fine to coarse.
    """

    channels: int
    levels: tuple[str, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The levels' numbers, 2 for `c2`.

        Raises:
          ValueError: levels out of order.
        """
        return tuple(level_numbers(self.levels, consecutive=True))

    @property
    def output_spec(self) -> dict[str, FeatureSpec]:
        """Channels and stride of every level that the neck gives."""
        numbers = self.numbers
        return {
            f"p{i}": FeatureSpec(self.channels, 2**i)
            for i in (*numbers, numbers[-1] + 1)
        }

    @property
    def roi_levels(self) -> tuple[str, ...]:
        """Levels that rois are pooled from: all but the coarsest."""
        return tuple(f"p{i}" for i in self.numbers)

    def compute_output_shape(self, input_shape):
        shapes = [(*input_shape[name][:3], self.channels) for name in self.levels]
        batch, *sides, channels = shapes[-1]
        half = [s if s is None else -(-s // 2) for s in sides]
        return dict(zip(self.output_spec, [*shapes, (batch, *half, channels)]))

    def convolution(
        self, name: str, kernel_size=3, *, initializer, **options
    ) -> ConvNorm:
        """A convolution to `channels`.

        Args:
          name: of the layer.
          kernel_size: side of the kernel.
          initializer: a word of `layers.initializers.of_convolution`.
          **options: see ConvNorm.
        """
        return ConvNorm(
            self.channels,
            kernel_size,
            **initializers.of_convolution(initializer),
            **options,
            dtype=self.dtype_policy,
            name=name,
        )

    def named(self, outputs) -> dict[str, tf.Tensor]:
        """Outputs by name, with the coarsest: every second cell of the one before."""
        return dict(zip(self.output_spec, [*outputs, outputs[-1][:, ::2, ::2]]))


class TopDownNeck(PyramidNeck):
    """Base of necks that begin with FPN's top-down pathway (Lin et al. 2017, sec. 3).

    Args:
      channels: of every output.
      levels: of the backbone, fine to coarse; none between them is left out.
      norm: after every convolution.
      initializer: a word of `layers.initializers.of_convolution`.
    """

    def __init__(
        self,
        channels: int,
        *,
        levels: tuple[str, ...],
        norm: str,
        initializer: str,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.levels = tuple(levels)
        self.norm = norm
        self.initializer = initializer
        options = dict(norm=norm, initializer=initializer)
        self.laterals = [
            self.convolution(f"fpn_lateral{i}", 1, **options) for i in self.numbers
        ]
        self.output_convs = [
            self.convolution(f"fpn_output{i}", **options) for i in self.numbers
        ]

    def build(self, input_shape):
        for name, lateral in zip(self.levels, self.laterals):
            lateral.build(tuple(input_shape[name]))
        for conv in self.output_convs:
            conv.build((None, None, None, self.channels))
        self.built = True

    def pyramid(self, inputs, training) -> list:
        """The levels that the top-down pathway makes, fine to coarse."""
        laterals = [
            lateral(inputs[name], training=training)
            for name, lateral in zip(self.levels, self.laterals)
        ]
        return [
            conv(inner, training=training)
            for conv, inner in zip(self.output_convs, top_down(laterals))
        ]


def top_down(laterals) -> list[tf.Tensor]:
    """Adds to each level the sum of the coarser ones (FPN sec. 3).

    Args:
      laterals: `[B, H_i, W_i, C]` of each level, fine to coarse, each half as large as
        the one before, rounded up.

    Returns:
      The same shapes.
    """
    sums = [laterals[-1]]
    for lateral in reversed(laterals[:-1]):
        height, width = tf.unstack(tf.shape(lateral)[1:3])
        above = upsample_nearest(sums[0], 2)[:, :height, :width]
        sums.insert(0, tf.add_n([lateral, above]))
    return sums
