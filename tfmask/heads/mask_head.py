"""The fully convolutional mask head of Mask R-CNN."""

import keras

from tfmask.layers.chain import build_chain, run_chain
from tfmask.layers.mask_head import (
    MaskHead,
    deconvolution,
    hidden_convolutions,
    mask_predictor,
)


@keras.saving.register_keras_serializable(package="tfmask")
class FCNMaskHead(MaskHead):
    """Four 3x3 convolutions, a deconvolution, a 1x1 predictor (Mask R-CNN fig. 4).

    Args:
      num_classes: K, background not counted.
      pool_size: bins per side of the roi feature, S.
      conv_layers: 3x3 convolutions.
      channels: of all hidden layers.
      upsample: false leaves the deconvolution out; logits are `[..., S, S, K]`.
      background_channel: keep a channel for the background, which nothing uses, as
        maskrcnn-benchmark and torchvision have it.
      predictor_initializer: `normal` N(0, 0.001) or `msra`.

    Call input: dict with `mask`: `[..., S, S, C]`. Returns a dict with `mask`: logits
    `[..., 2S, 2S, K]` float32, channel k for class k + 1.

    Raises:
      ValueError: an unknown initializer.
    """

    def __init__(
        self,
        num_classes: int,
        pool_size: int = 14,
        *,
        conv_layers: int = 4,
        channels: int = 256,
        upsample: bool = True,
        background_channel: bool = False,
        predictor_initializer: str = "normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.pool_size = pool_size
        self.conv_layers = conv_layers
        self.channels = channels
        self.upsample_ = upsample
        self.background_channel = background_channel
        self.predictor_initializer = predictor_initializer
        policy = self.dtype_policy
        names = [f"mask_fcn{i}" for i in range(1, conv_layers + 1)]
        self.convs = hidden_convolutions(names, channels, policy)
        self.deconv = deconvolution("deconv", channels, policy) if upsample else None
        self.predictor = mask_predictor(
            "predictor",
            num_classes + int(background_channel),
            predictor_initializer,
            policy,
        )

    @property
    def mask_size(self) -> int:
        return self.pool_size * (2 if self.upsample_ else 1)

    def build(self, input_shape):
        layers = [*self.convs, self.deconv, self.predictor]
        channels = tuple(input_shape["mask"])[-1]
        build_chain([layer for layer in layers if layer is not None], channels)
        self.built = True

    def trunk(self, inputs: dict) -> dict:
        return {"mask": run_chain(self.convs, inputs["mask"])}

    def upsample(self, hidden: dict, names: tuple[str, ...]) -> dict:
        if self.deconv is None:
            return hidden
        return {"mask": self.deconv(hidden["mask"])}
