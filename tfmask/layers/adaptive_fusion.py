"""Two feature maps mixed cell by cell."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import Part
from tfmask.layers.squeeze_excitation import SqueezeExcitation


@keras.saving.register_keras_serializable(package="tfmask")
class AdaptiveFusion(Part):
    """The weighted sum of two maps, with weights of each cell (IEMask sec. 3.3).

    Each map goes through a 1x1 convolution with group normalisation and ReLU; the two
    results, concatenated, through squeeze and excitation and a 1x1 convolution to two
    channels, whose softmax is the weights (IEMask R-CNN Eqs. 10, 11).

    Args:
      channels: of the map that each of the two is weighed by, a multiple of 32.

    Call input: [first, second, evidence], each `[B, H, W, C]`: the weights are decided
    by `first` and `evidence`, and mix `first` and `second`. Returns `[B, H, W, C]` in
    the layer's compute type.
    """

    def __init__(self, channels: int = 192, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.first = self._conv("first", channels, norm="gn", activation="relu")
        self.second = self._conv("second", channels, norm="gn", activation="relu")
        self.excitation = SqueezeExcitation(
            use_bias=False, dtype=self.dtype_policy, name="excitation"
        )
        self.scores = self._conv("scores", 2)

    def build(self, input_shape):
        first, _, evidence = input_shape
        self.first.build(tuple(first))
        self.second.build(tuple(evidence))
        both = (*tuple(first)[:-1], 2 * self.channels)
        self.excitation.build(both)
        self.scores.build(both)
        self.built = True

    def call(self, inputs):
        first, second, evidence = inputs
        both = tf.concat([self.first(first), self.second(evidence)], axis=-1)
        scores = tf.cast(self.scores(self.excitation(both)), tf.float32)
        weights = tf.cast(tf.nn.softmax(scores), first.dtype)  # [B, H, W, 2]
        return first * weights[..., :1] + second * weights[..., 1:]

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def _conv(self, name, filters, **options):
        return ConvNorm(
            filters,
            1,
            use_bias=True,
            **options,
            **initializers.of_convolution("torch"),
            dtype=self.dtype_policy,
            name=name,
        )
