"""Region proposal network head (Faster R-CNN sec. 3.1)."""

import keras
import tensorflow as tf

from tfmask.layers.conv_norm import ConvNorm


@keras.saving.register_keras_serializable(package="tfmask")
class RPNHead(keras.layers.Layer):
    """A 3x3 convolution, then objectness and box deltas, shared by all levels.

    Args:
      num_anchors: anchors a cell, A.
      channels: of the 3x3 convolution.

    Call input: list of `[B, H, W, C]`, one a level. Returns (logits, deltas):
    `[B, H*W*A]` and `[B, H*W*A, 4]` float32 for each level, as two lists.
    """

    def __init__(self, num_anchors=3, channels=256, **kwargs):
        super().__init__(**kwargs)
        self.num_anchors = num_anchors
        self.channels = channels

        def conv(name, filters, size, activation=None):
            initializer = keras.initializers.RandomNormal(stddev=0.01)
            return ConvNorm(
                filters,
                size,
                activation=activation,
                kernel_initializer=initializer,
                name=name,
            )

        self.conv = conv("conv", channels, 3, "relu")
        self.objectness = conv("objectness", num_anchors, 1)
        self.deltas = conv("deltas", 4 * num_anchors, 1)

    def build(self, input_shape):
        self.conv.build(tuple(input_shape[0]))
        hidden = (None, None, None, self.channels)
        self.objectness.build(hidden)
        self.deltas.build(hidden)
        self.built = True

    def call(self, inputs):
        logits, deltas = [], []
        for feature in inputs:
            x = self.conv(feature)
            batch = tf.shape(x)[0]
            level_logits = tf.cast(self.objectness(x), tf.float32)
            level_deltas = tf.cast(self.deltas(x), tf.float32)
            logits.append(tf.reshape(level_logits, [batch, -1]))  # [B, H*W*A]
            deltas.append(tf.reshape(level_deltas, [batch, -1, 4]))  # [B, H*W*A, 4]
        return logits, deltas

    def compute_output_shape(self, input_shape):
        counts = [
            None if None in s[1:3] else s[1] * s[2] * self.num_anchors
            for s in input_shape
        ]
        batch = input_shape[0][0]
        return [(batch, n) for n in counts], [(batch, n, 4) for n in counts]

    def get_config(self):
        return {
            **super().get_config(),
            "num_anchors": self.num_anchors,
            "channels": self.channels,
        }
