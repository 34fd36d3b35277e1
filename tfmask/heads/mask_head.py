"""The contract of mask heads, and the fully convolutional head of Mask R-CNN."""

from typing import NamedTuple

import keras
import tensorflow as tf

from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.rois import flatten_rois, restore_rois


class RoISpec(NamedTuple):
    """What a mask head wants pooled: bins a side, and the levels to pool from."""

    size: int
    levels: tuple[str, ...] = ("p2", "p3", "p4", "p5")


def msra():
    """He et al. 2015: normal with variance 2 / fan_out, not truncated."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


@keras.saving.register_keras_serializable(package="tfmask")
class FCNMaskHead(keras.layers.Layer):
    """Four 3x3 convolutions, a deconvolution, a 1x1 predictor (Mask R-CNN fig. 4).

    Args:
      num_classes: K, background not counted.
      pool_size: bins a side of the roi feature, S.
      conv_layers: 3x3 convolutions.
      channels: of all hidden layers.
      background_channel: keep a channel for the background, which nothing uses, as
        maskrcnn-benchmark and torchvision have it.
      predictor_initializer: `normal` N(0, 0.001) or `msra`.

    Call input: dict with `mask`: `[..., S, S, C]`. Returns a dict with `mask`: logits
    `[..., 2S, 2S, K]` float32, channel k for class k + 1.
    """

    def __init__(
        self,
        num_classes,
        pool_size=14,
        *,
        conv_layers=4,
        channels=256,
        background_channel=False,
        predictor_initializer="normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.pool_size = pool_size
        self.conv_layers = conv_layers
        self.channels = channels
        self.background_channel = background_channel
        self.predictor_initializer = predictor_initializer
        self.roi_specs = {"mask": RoISpec(pool_size)}
        self.convs = [
            ConvNorm(
                channels,
                activation="relu",
                kernel_initializer=msra(),
                name=f"mask_fcn{i}",
            )
            for i in range(1, conv_layers + 1)
        ]
        self.deconv = keras.layers.Conv2DTranspose(
            channels, 2, 2, activation="relu", kernel_initializer=msra(), name="deconv"
        )
        normal = keras.initializers.RandomNormal(stddev=0.001)
        self.predictor = ConvNorm(
            num_classes + int(background_channel),
            1,
            kernel_initializer=normal if predictor_initializer == "normal" else msra(),
            name="predictor",
        )

    def build(self, input_shape):
        shape = (None, self.pool_size, self.pool_size, tuple(input_shape["mask"])[-1])
        for conv in self.convs:
            conv.build(shape)
            shape = (*shape[:3], self.channels)
        self.deconv.build(shape)
        self.predictor.build((None, None, None, self.channels))
        self.built = True

    def call(self, inputs):
        x, lead = flatten_rois(inputs["mask"])  # [M, S, S, C]
        for conv in self.convs:
            x = conv(x)
        logits = tf.cast(self.predictor(self.deconv(x)), tf.float32)
        if self.background_channel:
            logits = logits[..., 1:]
        return {"mask": restore_rois(logits, lead)}  # [..., 2S, 2S, K]

    def compute_output_shape(self, input_shape):
        lead = tuple(input_shape["mask"])[:-3]
        side = 2 * self.pool_size
        return {"mask": (*lead, side, side, self.num_classes)}

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "pool_size": self.pool_size,
            "conv_layers": self.conv_layers,
            "channels": self.channels,
            "background_channel": self.background_channel,
            "predictor_initializer": self.predictor_initializer,
        }
