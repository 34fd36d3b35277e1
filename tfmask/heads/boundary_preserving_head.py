"""The mask head of BMask R-CNN."""

import keras

from tfmask.layers import initializers
from tfmask.layers.chain import build_chain, run_chain
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.mask_head import (
    MaskHead,
    deconvolution,
    hidden_convolutions,
    mask_predictor,
)
from tfmask.layers.rois import RoISpec


@keras.saving.register_keras_serializable(package="tfmask")
class BoundaryPreservingMaskHead(MaskHead):
    """Mask and boundary branches that feed each other (BMask R-CNN sec. 3, fig. 4).

        mask roi -> mask_fcn1..4 -> F        boundary roi -> downsample -> G
        boundary feature = boundary_fcn1..2(G + mask_to_boundary(F))
        mask feature = mask_final_fusion(F + boundary_to_mask(boundary feature))
        each feature -> deconvolution -> 1x1 predictor

    The boundary roi is finer and comes from P2 alone. As released, the two 1x1 fusions
    end in a ReLU and nothing follows the sums; mask_final_fusion is in fig. 4 and not
    in the text. Without a fusion its 1x1 convolution is left out and the rest stays.

    Args:
      num_classes: K, background not counted.
      pool_size: bins per side of the mask feature, S.
      conv_layers: 3x3 convolutions of the mask branch before the fusion.
      boundary_conv_layers: 3x3 convolutions of the boundary branch after its fusion.
      channels: of all hidden layers.
      boundary_size: bins per side of the boundary feature, Sb: S, or 2S, which the
        first convolution halves by its stride.
      boundary_levels: pyramid levels of the boundary feature.
      mask_to_boundary, boundary_to_mask: the two fusions.
      background_channel: see FCNMaskHead; of both predictors.
      predictor_initializer: `normal` N(0, 0.001) or `msra`.

    Call input: dict with `mask`: `[..., S, S, C]` and `boundary`: `[..., Sb, Sb, C]`.
    Returns a dict with `mask` and `boundary`: logits `[..., 2S, 2S, K]` float32,
    channel k for class k + 1.

    Raises:
      ValueError: Sb is neither S nor 2S; an unknown initializer.
    """

    outputs = ("mask", "boundary")
    class_layers = ("predictor", "boundary_predictor")

    def __init__(
        self,
        num_classes: int,
        pool_size: int = 14,
        *,
        conv_layers: int = 4,
        boundary_conv_layers: int = 2,
        channels: int = 256,
        boundary_size: int = 28,
        boundary_levels: tuple[str, ...] = ("p2",),
        mask_to_boundary: bool = True,
        boundary_to_mask: bool = True,
        background_channel: bool = False,
        predictor_initializer: str = "normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if boundary_size not in (pool_size, 2 * pool_size):
            raise ValueError(
                f"boundary_size={boundary_size} with pool_size={pool_size}: expected "
                f"{pool_size} or {2 * pool_size}"
            )
        self.num_classes = num_classes
        self.pool_size = pool_size
        self.conv_layers = conv_layers
        self.boundary_conv_layers = boundary_conv_layers
        self.channels = channels
        self.boundary_size = boundary_size
        self.boundary_levels = tuple(boundary_levels)
        self.mask_to_boundary = mask_to_boundary
        self.boundary_to_mask = boundary_to_mask
        self.background_channel = background_channel
        self.predictor_initializer = predictor_initializer
        self.convs = self._hidden("mask_fcn", conv_layers)
        stride = boundary_size // pool_size
        self.downsample = self._conv("downsample", strides=stride)
        self.boundary_convs = self._hidden("boundary_fcn", boundary_conv_layers)
        self.to_boundary = self.to_mask = None
        if mask_to_boundary:
            self.to_boundary = self._conv("mask_to_boundary", 1)
        if boundary_to_mask:
            self.to_mask = self._conv("boundary_to_mask", 1)
        self.final_fusion = self._conv("mask_final_fusion")
        self.deconv = deconvolution("deconv", channels, self.dtype_policy)
        self.boundary_deconv = deconvolution(
            "boundary_deconv", channels, self.dtype_policy
        )
        self.predictor = self._predictor("predictor")
        self.boundary_predictor = self._predictor("boundary_predictor")

    @property
    def roi_specs(self) -> dict[str, RoISpec]:
        return {
            "mask": RoISpec(self.pool_size),
            "boundary": RoISpec(self.boundary_size, self.boundary_levels),
        }

    @property
    def mask_size(self) -> int:
        return 2 * self.pool_size

    def build(self, input_shape):
        mask, boundary = (tuple(input_shape[name])[-1] for name in self.outputs)
        mask = build_chain(self.convs, mask)
        boundary = build_chain([self.downsample, *self.boundary_convs], boundary)
        if self.to_boundary is not None:
            self.to_boundary.build((None, None, None, mask))
        if self.to_mask is not None:
            self.to_mask.build((None, None, None, boundary))
        build_chain([self.final_fusion, self.deconv, self.predictor], mask)
        build_chain([self.boundary_deconv, self.boundary_predictor], boundary)
        self.built = True

    def trunk(self, inputs: dict) -> dict:
        mask = run_chain(self.convs, inputs["mask"])
        boundary = self.downsample(inputs["boundary"])
        if self.to_boundary is not None:
            boundary = boundary + self.to_boundary(mask)
        boundary = run_chain(self.boundary_convs, boundary)
        if self.to_mask is not None:
            mask = mask + self.to_mask(boundary)
        return {"mask": self.final_fusion(mask), "boundary": boundary}

    def upsample(self, hidden: dict, names: tuple[str, ...]) -> dict:
        deconvs = {"mask": self.deconv, "boundary": self.boundary_deconv}
        return {name: deconvs[name](hidden[name]) for name in names}

    def predictor_of(self, name: str) -> ConvNorm:
        return self.predictor if name == "mask" else self.boundary_predictor

    def _hidden(self, name, count):
        names = [f"{name}{i}" for i in range(1, count + 1)]
        return hidden_convolutions(names, self.channels, self.dtype_policy)

    def _conv(self, name, kernel_size=3, strides=1):
        return ConvNorm(
            self.channels,
            kernel_size,
            strides=strides,
            activation="relu",
            kernel_initializer=initializers.msra(),
            dtype=self.dtype_policy,
            name=name,
        )

    def _predictor(self, name):
        channels = self.num_classes + int(self.background_channel)
        return mask_predictor(
            name, channels, self.predictor_initializer, self.dtype_policy
        )
