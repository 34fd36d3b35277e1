"""The contract of mask heads, and the fully convolutional head of Mask R-CNN.

A mask head is a Keras layer that says in `roi_specs` what it wants pooled, and in
`outputs` what it predicts. `call` takes features of any leading shape. It is made of
three steps on packed features `[M, ...]` with M >= 1, so that other techniques can be
put between them:

    trunk(inputs) -> hidden features by name, `mask` among them
    upsample(hidden, names) -> features at the resolution of the outputs in `names`
    classify(features, names) -> logits `[M, T, T, K]` float32 for each of `names`

`names` leaves out what nobody reads: boundaries, at test.
"""

import keras
import tensorflow as tf

from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.initializers import mask_predictor, msra
from tfmask.layers.rois import RoISpec, flatten_rois, restore_rois


@keras.saving.register_keras_serializable(package="tfmask")
class FCNMaskHead(keras.layers.Layer):
    """Four 3x3 convolutions, a deconvolution, a 1x1 predictor (Mask R-CNN fig. 4).

    Args:
      num_classes: K, background not counted.
      pool_size: bins a side of the roi feature, S.
      conv_layers: 3x3 convolutions.
      channels: of all hidden layers.
      upsample: false leaves the deconvolution out; logits are `[..., S, S, K]`.
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
        upsample=True,
        background_channel=False,
        predictor_initializer="normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.outputs = ("mask",)
        self.num_classes = num_classes
        self.pool_size = pool_size
        self.conv_layers = conv_layers
        self.channels = channels
        self.doubles = upsample
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
        self.deconv = None
        if upsample:
            self.deconv = keras.layers.Conv2DTranspose(
                channels,
                2,
                2,
                activation="relu",
                kernel_initializer=msra(),
                name="deconv",
            )
        self.predictor = ConvNorm(
            num_classes + int(background_channel),
            1,
            kernel_initializer=mask_predictor(predictor_initializer),
            name="predictor",
        )

    def build(self, input_shape):
        shape = (None, self.pool_size, self.pool_size, tuple(input_shape["mask"])[-1])
        for conv in self.convs:
            conv.build(shape)
            shape = (*shape[:3], self.channels)
        if self.deconv is not None:
            self.deconv.build(shape)
        self.predictor.build((None, None, None, self.channels))
        self.built = True

    def call(self, inputs):
        x, lead = flatten_rois(inputs["mask"])  # [M, S, S, C]
        hidden = self.upsample(self.trunk({"mask": x}), self.outputs)
        logits = self.classify(hidden, self.outputs)
        return {k: restore_rois(v, lead) for k, v in logits.items()}

    def trunk(self, inputs):
        x = inputs["mask"]
        for conv in self.convs:
            x = conv(x)
        return {"mask": x}

    def upsample(self, hidden, names):
        if self.deconv is None:
            return hidden
        return {"mask": self.deconv(hidden["mask"])}

    def classify(self, features, names):
        logits = tf.cast(self.predictor(features["mask"]), tf.float32)
        return {"mask": logits[..., 1:] if self.background_channel else logits}

    def compute_output_shape(self, input_shape):
        lead = tuple(input_shape["mask"])[:-3]
        side = self.pool_size * (2 if self.doubles else 1)
        return {"mask": (*lead, side, side, self.num_classes)}

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "pool_size": self.pool_size,
            "conv_layers": self.conv_layers,
            "channels": self.channels,
            "upsample": self.doubles,
            "background_channel": self.background_channel,
            "predictor_initializer": self.predictor_initializer,
        }
