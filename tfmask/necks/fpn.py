"""Feature pyramid network (Lin et al. 2017)."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.levels import level_numbers
from tfmask.layers.part import Part
from tfmask.structures import FeatureSpec


@keras.saving.register_keras_serializable(package="tfmask")
class FPN(Part):
    """Top-down pathway with lateral connections (FPN sec. 3).

    Args:
      channels: of every output.
      levels: of the backbone, fine to coarse; none between them is left out.
      norm: `none`, `frozen_bn`, `bn`, `sync_bn` or `gn` after every convolution.
      initializer: `xavier` (Detectron2, maskrcnn-benchmark), `variance_scaling`
        (Tensorpack), or another word of `layers.initializers.of_convolution`.

    Call input: dict of the backbone's levels, `c2`..`c5`. Returns a dict with a level
    `p2`..`p5` for each of them and one that is coarser, `p6`: level i is
    `[B, H/2^i, W/2^i, channels]` in the layer's compute type; the coarsest is every
    second cell of the one before.

    Raises:
      ValueError: an unknown norm or initializer; levels out of order.
    """

    def __init__(
        self,
        channels=256,
        *,
        levels=("c2", "c3", "c4", "c5"),
        norm="none",
        initializer="xavier",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.levels = tuple(levels)
        self.norm = norm
        self.initializer = initializer
        self._numbers = tuple(level_numbers(self.levels, consecutive=True))
        self.laterals = [self._conv(f"fpn_lateral{i}", 1) for i in self._numbers]
        self.output_convs = [self._conv(f"fpn_output{i}", 3) for i in self._numbers]

    @property
    def output_spec(self) -> dict[str, FeatureSpec]:
        numbers = (*self._numbers, self._numbers[-1] + 1)
        return {f"p{i}": FeatureSpec(self.channels, 2**i) for i in numbers}

    @property
    def roi_levels(self) -> tuple[str, ...]:
        """Levels that rois are pooled from: all but the coarsest."""
        return tuple(f"p{i}" for i in self._numbers)

    def build(self, input_shape):
        for name, lateral in zip(self.levels, self.laterals):
            lateral.build(tuple(input_shape[name]))
        for conv in self.output_convs:
            conv.build((None, None, None, self.channels))
        self.built = True

    def call(self, inputs, training=None):
        outputs, top = [], None
        for name, lateral, conv in reversed(
            list(zip(self.levels, self.laterals, self.output_convs))
        ):
            inner = lateral(inputs[name], training=training)
            if top is not None:
                inner += _upsample(top, tf.shape(inner))
            outputs.insert(0, conv(inner, training=training))
            top = inner
        outputs.append(outputs[-1][:, ::2, ::2])
        return dict(zip(self.output_spec, outputs))

    def compute_output_shape(self, input_shape):
        shapes = [(*input_shape[name][:3], self.channels) for name in self.levels]
        batch, height, width, channels = shapes[-1]
        half = [s if s is None else -(-s // 2) for s in (height, width)]
        return dict(zip(self.output_spec, [*shapes, (batch, *half, channels)]))

    def _conv(self, name, kernel_size):
        return ConvNorm(
            self.channels,
            kernel_size,
            norm=self.norm,
            **initializers.of_convolution(self.initializer),
            dtype=self.dtype_policy,
            name=name,
        )


def _upsample(x, shape):
    """Nearest neighbour, twice the size, cut to the finer level `shape`."""
    return _double(x)[:, : shape[1], : shape[2]]


@tf.custom_gradient
def _double(x):
    b, h, w, c = tf.unstack(tf.shape(x))
    y = tf.broadcast_to(x[:, :, None, :, None, :], [b, h, 2, w, 2, c])
    y = tf.reshape(y, [b, 2 * h, 2 * w, x.shape[-1]])

    def gradient(upstream):
        # The sum of each cell's four copies; many times faster than a reduction.
        return 4.0 * tf.nn.avg_pool2d(upstream, 2, 2, "VALID")

    return y, gradient
