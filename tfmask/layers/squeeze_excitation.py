"""Channels weighted by what the whole map has in them."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import Part


@keras.saving.register_keras_serializable(package="tfmask")
class SqueezeExcitation(Part):
    """Multiplies each channel by a number that the means of all channels decide.

    Hu et al. 2018, sec. 3: mean over the map, 1x1 convolution to C / r channels, ReLU,
    1x1 convolution to C channels, sigmoid.

    Args:
      reduction: r.
      use_bias: of both convolutions.
      initializer: a word of `layers.initializers.of_convolution`.

    Call input: `[B, H, W, C]` floating. Returns the same shape in the layer's compute
    type.

    Raises:
      ValueError: an unknown initializer.
    """

    def __init__(
        self,
        reduction: int = 16,
        *,
        use_bias: bool = True,
        initializer: str = "torch",
        **kwargs,
    ):
        super().__init__(**kwargs)
        initializers.of_convolution(initializer)
        self.reduction = reduction
        self.use_bias = use_bias
        self.initializer = initializer

    def build(self, input_shape):
        channels = input_shape[-1]
        hidden = max(channels // self.reduction, 1)
        self.reduce = self._conv("reduce", hidden, "relu")
        self.expand = self._conv("expand", channels)
        self.reduce.build((None, 1, 1, channels))
        self.expand.build((None, 1, 1, hidden))
        self.built = True

    def call(self, inputs):
        # In float32: bfloat16 has eight bits, too few to add up a map in.
        mean = tf.reduce_mean(tf.cast(inputs, tf.float32), axis=[1, 2], keepdims=True)
        return inputs * tf.sigmoid(self.expand(self.reduce(mean)))

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def _conv(self, name, filters, activation=None):
        return ConvNorm(
            filters,
            1,
            use_bias=self.use_bias,
            activation=activation,
            **initializers.of_convolution(self.initializer),
            dtype=self.dtype_policy,
            name=name,
        )
