"""Batch normalisation whose statistics never change."""

import keras
import tensorflow as tf

from tfmask.layers.part import UNCAST, Part


@keras.saving.register_keras_serializable(package="tfmask")
class FrozenBatchNorm(Part):
    """Batch normalisation with fixed statistics (Detectron2's FrozenBatchNorm2d).

    Args:
      epsilon: added to the variance; 0 for maskrcnn-benchmark.
      train_affine: scale and offset are trained (Tensorpack's FreezeBN).

    Call input: `[..., C]` floating. Returns the same shape and type.
    """

    def __init__(self, epsilon: float = 1e-5, *, train_affine: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.epsilon = epsilon
        self.train_affine = train_affine

    def build(self, input_shape):
        def add(name, initializer, trainable):
            return self.add_weight(
                name=name,
                shape=(input_shape[-1],),
                initializer=initializer,
                trainable=trainable,
                **UNCAST,
            )

        self.gamma = add("gamma", "ones", self.train_affine)
        self.beta = add("beta", "zeros", self.train_affine)
        self.moving_mean = add("moving_mean", "zeros", False)
        self.moving_variance = add("moving_variance", "ones", False)
        self.built = True

    def scale_and_offset(self):
        """(scale, offset) `[C]` float32 each, so that y = x * scale + offset."""
        gamma, beta, mean, variance = (
            tf.cast(w, tf.float32)
            for w in (self.gamma, self.beta, self.moving_mean, self.moving_variance)
        )
        scale = gamma * tf.math.rsqrt(variance + self.epsilon)
        return scale, beta - mean * scale

    def call(self, inputs):
        scale, offset = self.scale_and_offset()
        return inputs * tf.cast(scale, inputs.dtype) + tf.cast(offset, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)
