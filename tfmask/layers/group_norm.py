"""Group normalisation in few passes over the feature map."""

import keras
import tensorflow as tf

from tfmask.layers.part import Part


@keras.saving.register_keras_serializable(package="tfmask")
class GroupNorm(Part):
    """Group normalisation (Wu and He 2018) of the last axis.

    The same as Keras's layer of the name, in half of its time on CPUs: the moments of
    each channel are brought together to those of its group, and the map is scaled and
    shifted once. Statistics are float32 always.

    Args:
      groups: of neighbouring channels that share their mean and variance.
      epsilon: added to the variance.

    Call input: `[M, ..., C]` floating, C a multiple of `groups`. Returns the same shape
    in the layer's compute type.

    Raises:
      ValueError: channels that the groups do not divide.
    """

    def __init__(self, groups: int = 32, *, epsilon: float = 1e-5, **kwargs):
        # Casts are explicit: scale and offset stay float32 until they are one.
        super().__init__(autocast=False, **kwargs)
        self.groups = groups
        self.epsilon = epsilon

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.groups:
            raise ValueError(
                f"{channels} channels: expected a multiple of groups={self.groups}"
            )
        self.gamma = self.add_weight(
            name="gamma", shape=(channels,), initializer="ones"
        )
        self.beta = self.add_weight(name="beta", shape=(channels,), initializer="zeros")
        self.built = True

    def call(self, inputs):
        x = tf.cast(inputs, self.compute_dtype)
        places = list(range(1, x.shape.rank - 1))
        channels = x.shape[-1]
        mean, variance = tf.nn.moments(tf.cast(x, tf.float32), places)  # [M, C]
        split = [-1, self.groups, channels // self.groups]
        means, variances = tf.reshape(mean, split), tf.reshape(variance, split)
        mean = tf.reduce_mean(means, axis=2, keepdims=True)  # [M, groups, 1]
        # Within the channels and between them.
        variances += tf.math.squared_difference(means, mean)
        variance = tf.reduce_mean(variances, axis=2, keepdims=True)
        split[0] = 1
        scale = tf.math.rsqrt(variance + self.epsilon) * self._weight("gamma", split)
        shift = self._weight("beta", split) - mean * scale
        shape = [-1, *(1 for _ in places), channels]
        scale, shift = (
            tf.cast(tf.reshape(value, shape), x.dtype) for value in (scale, shift)
        )
        return x * scale + shift

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def _weight(self, name, shape):
        return tf.reshape(tf.cast(getattr(self, name), tf.float32), shape)
