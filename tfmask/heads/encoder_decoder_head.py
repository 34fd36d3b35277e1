"""The encoding-decoding mask head of IEMask R-CNN."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.mask_head import MaskHead, mask_predictor
from tfmask.layers.part import one_of
from tfmask.ops.resize import upsample_align_corners

# Widths of the 3x3 convolutions of each stage, in multiples of `channels`.
_FORMS = {
    "released": {
        "down1": (2, 2),
        "down2": (4, 4),
        "conv1": (2,),
        "conv2": (2, 1),
        "conv3": (1,),
    },
    "paper": {
        "down1": (2, 2),
        "down2": (4,),
        "conv1": (2, 2),
        "conv2": (1, 1),
        "conv3": (1,),
    },
}
# The release leaves its convolutions as PyTorch makes them; the paper does not say.
_INITIALIZERS = {"released": "torch", "paper": "msra"}


@keras.saving.register_keras_serializable(package="tfmask")
class EncoderDecoderMaskHead(MaskHead):
    """A small U-shaped network on each roi (IEMask R-CNN Eqs. 16-20).

        down1, down2: 2x2 maximum pooling, 3x3 convolutions     S/2, then S/4
        conv1, conv2: 3x3 convolutions, then bilinear to twice the side
        conv3: 3x3 convolution at S, then a 1x1 predictor

    Each convolution has a bias, group normalisation and ReLU. `released` is the
    authors' code: the decoder gets the encoder's feature of its size concatenated, two
    convolutions run at the bottom, and the 3x3 convolutions begin as PyTorch's do.
    `paper` is the equations: the feature is added, one convolution runs at the bottom,
    and each stage of the decoder halves the width before it adds. It leaves out the
    upsampling that ends Eq. 20: masks would have 2S cells per side, which neither the
    release nor the paper's count of operations has.

    Args:
      num_classes: K, background not counted.
      pool_size: bins per side of the roi feature, S, a multiple of 4.
      form: `released` or `paper`.
      channels: at S; twice as many at S / 2, four times at S / 4. A multiple of 32.
      background_channel: keep a channel for the background, which nothing uses.
      predictor_initializer: `normal` N(0, 0.001) or `msra`.

    Call input: dict with `mask`: `[..., S, S, C]`; C is `channels` in form `paper`.
    Returns a dict with `mask`: logits `[..., S, S, K]` float32, channel k for class
    k + 1.

    Raises:
      ValueError: a form, size, initializer or number of channels other than these.
    """

    def __init__(
        self,
        num_classes: int,
        pool_size: int = 28,
        *,
        form: str = "released",
        channels: int = 256,
        background_channel: bool = False,
        predictor_initializer: str = "normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        one_of("form", form, _FORMS)
        if pool_size % 4:
            raise ValueError(
                f"pool_size={pool_size}: expected a multiple of 4, as the roi feature "
                "is halved twice"
            )
        self.num_classes = num_classes
        self.pool_size = pool_size
        self.form = form
        self.channels = channels
        self.background_channel = background_channel
        self.predictor_initializer = predictor_initializer
        # One flat list: Keras 2 does not store layers in lists inside a dict.
        self.convs = [
            ConvNorm(
                width * channels,
                use_bias=True,
                norm="gn",
                activation="relu",
                **initializers.of_convolution(_INITIALIZERS[form]),
                dtype=self.dtype_policy,
                name=f"{stage}_{i}",
            )
            for stage, widths in _FORMS[form].items()
            for i, width in enumerate(widths, 1)
        ]
        self.predictor = mask_predictor(
            "predictor",
            num_classes + int(background_channel),
            predictor_initializer,
            self.dtype_policy,
        )

    @property
    def mask_size(self) -> int:
        return self.pool_size

    def build(self, input_shape):
        width = tuple(input_shape["mask"])[-1]
        if self.form == "paper" and width != self.channels:
            raise ValueError(
                f"roi feature of {width} channels: expected {self.channels}, the "
                "head's own, since the paper's form adds it to the decoder's feature"
            )
        joined = {"conv2_1": 2 * self.channels, "conv3_1": width}
        for conv in self.convs:
            if self.form == "released":
                width += joined.get(conv.name, 0)
            conv.build((None, None, None, width))
            width = conv.filters
        self.predictor.build((None, None, None, width))
        self.built = True

    def trunk(self, inputs: dict) -> dict:
        fine = inputs["mask"]  # [M, S, S, C]
        half = self._run("down1", tf.nn.max_pool2d(fine, 2, 2, "VALID"))
        x = self._run("down2", tf.nn.max_pool2d(half, 2, 2, "VALID"))
        x = upsample_align_corners(self._run("conv1", x))  # [M, S/2, S/2, 2 channels]
        x = upsample_align_corners(self._run("conv2", self._join(x, half)))
        return {"mask": self._run("conv3", self._join(x, fine))}

    def _run(self, stage, x):
        for conv in self.convs:
            if conv.name.startswith(stage):
                x = conv(x)
        return x

    def _join(self, x, skip):
        skip = tf.cast(skip, x.dtype)
        return x + skip if self.form == "paper" else tf.concat([x, skip], axis=-1)
