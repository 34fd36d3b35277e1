"""The mask head of PANet."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.chain import build_chain, maximum_of_levels, run_chain
from tfmask.layers.mask_head import (
    MaskHead,
    deconvolution,
    hidden_convolutions,
    mask_predictor,
)
from tfmask.layers.part import one_of
from tfmask.layers.rois import RoISpec


@keras.saving.register_keras_serializable(package="tfmask")
class AdaptiveMaskHead(MaskHead):
    """Mask head that reads every level and adds a mask of no class (PANet sec. 3).

        1: a 3x3 convolution for each level, then the maximum over the levels
        2 to n - 1: 3x3 convolutions
        n, deconvolution, 1x1 predictor: logits of each class
        beside n: two 3x3 convolutions, the second half as wide, and a fully connected
        layer to a mask of no class, which is added to the logits of every class

    Adaptive feature pooling is sec. 3.2, fully connected fusion sec. 3.3. Each layer
    but the predictor has a ReLU, the fully connected one too, as in the release.

    Args:
      num_classes: K, background not counted.
      pool_size: bins per side of the roi feature, S.
      conv_layers: n, at least 2.
      channels: of all hidden layers but one. With `gn` a multiple of 32, and of 64 with
        the mask of no class, where 32 groups divide half of them.
      adaptive_pooling: every roi on every level; else on the one that fits its size,
        and the first convolution is one like the others.
      fc_fusion: the mask of no class.
      norm: `none`, or `gn` after every 3x3 convolution.
      background_channel: keep a channel for the background, which nothing uses.
      predictor_initializer: `normal` N(0, 0.001) or `msra`.

    Call input: dict with `mask`: `[..., L, S, S, C]`, or `[..., S, S, C]` without
    adaptive pooling. Returns a dict with `mask`: logits `[..., 2S, 2S, K]` float32,
    channel k for class k + 1.

    Raises:
      ValueError: an unknown norm or initializer; fewer than two convolutions; channels
        that the groups of the normalisation do not divide.
    """

    def __init__(
        self,
        num_classes: int,
        pool_size: int = 14,
        *,
        conv_layers: int = 4,
        channels: int = 256,
        adaptive_pooling: bool = True,
        fc_fusion: bool = True,
        norm: str = "none",
        background_channel: bool = False,
        predictor_initializer: str = "msra",
        **kwargs,
    ):
        super().__init__(**kwargs)
        one_of("norm", norm, ("none", "gn"))
        if conv_layers < 2:
            raise ValueError(
                f"conv_layers={conv_layers}: expected at least 2, one before and one "
                "after the place where the branch of no class begins"
            )
        multiple = 64 if fc_fusion else 32
        if norm == "gn" and channels % multiple:
            raise ValueError(
                f"channels={channels} with norm='gn': expected a multiple of {multiple}"
            )
        self.num_classes = num_classes
        self.pool_size = pool_size
        self.conv_layers = conv_layers
        self.channels = channels
        self.adaptive_pooling = adaptive_pooling
        self.fc_fusion = fc_fusion
        self.norm = norm
        self.background_channel = background_channel
        self.predictor_initializer = predictor_initializer
        policy = self.dtype_policy
        # One for each level, which `build` knows the number of.
        self.level_convs: list[keras.layers.Layer] = []
        first = 2 if adaptive_pooling else 1
        names = [f"mask_fcn{i}" for i in range(first, conv_layers + 1)]
        self.convs = self._convolutions(names, channels)
        self.deconv = deconvolution("deconv", channels, policy)
        self.predictor = mask_predictor(
            "predictor",
            num_classes + int(background_channel),
            predictor_initializer,
            policy,
        )
        self.fusion_convs, self.fusion_fc = [], None
        if fc_fusion:
            self.fusion_convs = [
                *self._convolutions(["fusion_conv1"], channels),
                *self._convolutions(["fusion_conv2"], channels // 2),
            ]
            self.fusion_fc = keras.layers.Dense(
                self.mask_size**2,
                "relu",
                kernel_initializer=initializers.normal(0.01),
                dtype=policy,
                name="fusion_fc",
            )

    @property
    def roi_specs(self) -> dict[str, RoISpec]:
        assign = "all" if self.adaptive_pooling else "by_size"
        return {"mask": RoISpec(self.pool_size, assign=assign)}

    @property
    def mask_size(self) -> int:
        return 2 * self.pool_size

    def build(self, input_shape):
        shape = tuple(input_shape["mask"])
        channels = shape[-1]
        if self.adaptive_pooling:
            names = [f"mask_fcn1_level{i}" for i in range(shape[-4])]
            self.level_convs = self._convolutions(names, self.channels)
            for conv in self.level_convs:
                conv.build((None, None, None, channels))
            channels = self.channels
        build_chain([*self.convs, self.deconv, self.predictor], channels)
        if self.fusion_fc is not None:
            width = build_chain(self.fusion_convs, self.channels)
            self.fusion_fc.build((None, self.pool_size**2 * width))
        self.built = True

    def trunk(self, inputs: dict) -> dict:
        x = inputs["mask"]
        if self.adaptive_pooling:
            x = maximum_of_levels(self.level_convs, x)  # [M, S, S, C]
        x = run_chain(self.convs[:-1], x)
        hidden = {"mask": self.convs[-1](x)}
        if self.fusion_fc is not None:
            flat = run_chain(self.fusion_convs, x)
            flat = tf.reshape(flat, [-1, flat.shape[1:].num_elements()])
            shape = [-1, self.mask_size, self.mask_size, 1]
            hidden["of_no_class"] = tf.reshape(self.fusion_fc(flat), shape)
        return hidden

    def upsample(self, hidden: dict, names: tuple[str, ...]) -> dict:
        return {**hidden, "mask": self.deconv(hidden["mask"])}

    def classify(
        self, features: dict, names: tuple[str, ...], labels: tf.Tensor = None
    ) -> dict:
        logits = super().classify(features, names, labels)
        if self.fc_fusion:
            # PANet sec. 3.3: the same for every class.
            shared = tf.cast(features["of_no_class"], tf.float32)
            logits["mask"] += shared if labels is None else shared[..., 0]
        return logits

    def _convolutions(self, names, channels):
        return hidden_convolutions(names, channels, self.dtype_policy, self.norm)
