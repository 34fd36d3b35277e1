"""Boundary supervision of a predicted mask through its gradient."""

import keras
import numpy as np
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import Part
from tfmask.layers.rois import flatten_rois, restore_rois

_ACROSS = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
_SOBEL = np.stack([_ACROSS, _ACROSS.T], axis=-1)[:, :, None]  # [3, 3, 1, 2]


@keras.saving.register_keras_serializable(package="tfmask")
class SobelBoundaryHead(Part):
    """Boundary of a predicted mask, in training only (BMask R-CNN fig. 7b, sec. 4.4).

    Sobel filters across and down the mask, which are not trained, then two 3x3
    convolutions. The paper does not say how wide the first of them is.

    Args:
      channels: of the hidden layer.

    Call input: probabilities `[..., T, T]` of the chosen class. Around them is zero, so
    that a mask which is cut off by its roi has a boundary there, as its target has.
    Returns logits `[..., T, T]` float32. Gradient flows into the probabilities.
    """

    training_only = True
    output_dtype = "float32"

    def __init__(self, channels: int = 8, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.conv1 = self._conv("conv1", channels, activation="relu")
        self.conv2 = self._conv("conv2", 1)

    def build(self, input_shape):
        sides = tuple(input_shape)[-2:]
        self.conv1.build((None, *sides, 2))
        self.conv2.build((None, *sides, self.channels))
        self.built = True

    def call(self, inputs):
        x, lead = flatten_rois(inputs[..., None])  # [M, T, T, 1]
        x = tf.nn.conv2d(x, tf.cast(_SOBEL, x.dtype), 1, "SAME")  # [M, T, T, 2]
        logits = tf.cast(self.conv2(self.conv1(x)), tf.float32)
        return restore_rois(logits[..., 0], lead)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def _conv(self, name, filters, activation=None):
        return ConvNorm(
            filters,
            activation=activation,
            kernel_initializer=initializers.msra(),
            dtype=self.dtype_policy,
            name=name,
        )
