"""Settings of the mask branch and of what refines its result."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tfmask.config.settings import SOME, PartConfig, setting

# Bins per side of the MaskIoU head's feature, whatever the mask head pools.
MASK_IOU_POOL = 14

Level = Literal["p2", "p3", "p4", "p5", "p6"]
PredictorInitializer = Literal["normal", "msra"]  # normal: N(0, 0.001)
BoundaryTarget = Literal["boundary", "mask", "none"]
BoundaryLoss = Literal["dice_bce", "dice", "bce", "weighted_bce"]


@dataclass(kw_only=True)
class FCNMaskHeadConfig(PartConfig):
    """Convolutions, a deconvolution, the predictor (Mask R-CNN)."""

    tag: ClassVar[str] = "fcn"

    pool_size: int = setting(14, at_least=1)
    # 8: the larger mask head of BMask R-CNN, Table 8.
    conv_layers: int = setting(4, at_least=0)
    channels: int = setting(256, at_least=1)
    upsample: bool = True  # the deconvolution before the predictor
    background_channel: bool = False  # a mask channel for the background, never used
    predictor_initializer: PredictorInitializer = "normal"

    @property
    def mask_size(self) -> int:
        """Cells per side of the predicted masks."""
        return self.pool_size * (2 if self.upsample else 1)


@dataclass(kw_only=True)
class BoundaryPreservingHeadConfig(PartConfig):
    """Masks and boundaries, each fused into the other (BMask R-CNN sec. 3)."""

    tag: ClassVar[str] = "boundary_preserving"

    pool_size: int = setting(14, at_least=1)
    conv_layers: int = setting(4, at_least=0)
    boundary_conv_layers: int = setting(2, at_least=0)
    channels: int = setting(256, at_least=1)
    boundary_size: int = setting(28, at_least=1)  # as pool_size, or twice as many
    boundary_levels: tuple[Level, ...] = setting(("p2",), items=SOME)
    mask_to_boundary: bool = True  # M2B fusion
    boundary_to_mask: bool = True  # B2M fusion
    background_channel: bool = False
    predictor_initializer: PredictorInitializer = "normal"

    @property
    def mask_size(self) -> int:
        """Cells per side of the predicted masks."""
        return self.pool_size * 2


@dataclass(kw_only=True)
class EncoderDecoderHeadConfig(PartConfig):
    """The encoding-decoding mask head (IEMask R-CNN sec. 3.4)."""

    tag: ClassVar[str] = "encoder_decoder"

    # The head halves it twice.
    pool_size: int = setting(28, at_least=4, multiple_of=4)
    form: Literal["released", "paper"] = "released"  # skips concatenated, or added
    # 32 groups of its normalisation.
    channels: int = setting(256, at_least=32, multiple_of=32)
    background_channel: bool = False
    predictor_initializer: PredictorInitializer = "normal"

    @property
    def mask_size(self) -> int:
        """Cells per side of the predicted masks."""
        return self.pool_size


@dataclass(kw_only=True)
class AdaptiveMaskHeadConfig(PartConfig):
    """Mask head with adaptive feature pooling and fully connected fusion (PANet)."""

    tag: ClassVar[str] = "adaptive"

    pool_size: int = setting(14, at_least=1)
    conv_layers: int = setting(4, at_least=2)
    channels: int = setting(256, at_least=2)
    adaptive_pooling: bool = True  # every roi from every level, else from its own
    fc_fusion: bool = True  # a class-free mask from a fully connected layer is added
    norm: Literal["none", "gn"] = "none"
    background_channel: bool = False
    predictor_initializer: PredictorInitializer = "msra"

    @property
    def mask_size(self) -> int:
        """Cells per side of the predicted masks."""
        return self.pool_size * 2


MaskHeadConfig = (
    FCNMaskHeadConfig
    | BoundaryPreservingHeadConfig
    | EncoderDecoderHeadConfig
    | AdaptiveMaskHeadConfig
    | PartConfig
)


@dataclass(kw_only=True)
class BoundaryConfig:
    """The loss of predicted boundaries (BMask R-CNN sec. 3.3)."""

    target: BoundaryTarget = "boundary"  # none: no loss
    loss: BoundaryLoss = "dice_bce"
    bce_weight: float = setting(1.0, at_least=0)  # lambda of Eq. 2, of dice_bce
    dice_squared: bool = False  # Dice with squares below (paper), else sums (release)


@dataclass(kw_only=True)
class ContextConfig:
    """Contextual fusion (MaskPlus sec. 3.1): the whole image as one more roi."""

    # Of the 3x3 convolutions; empty: off.
    filters: tuple[int, ...] = setting((), at_least=1)
    level: Level = "p5"  # pyramid level that the image is pooled from
    last_relu: bool = True  # ReLU after the last convolution too


@dataclass(kw_only=True)
class PyramidConfig:
    """Deconvolutional pyramid module (MaskPlus sec. 3.2)."""

    enabled: bool = False
    position: Literal["after", "before"] = "after"  # the head's own convolutions
    kernel_size: Literal[2, 4] = 2  # of the deconvolutions


@dataclass(kw_only=True)
class BoundaryRefinementConfig:
    """Boundary refinement of mask logits (MaskPlus sec. 3.3)."""

    kind: Literal["none", "improved", "original"] = "none"
    # What improved reads; features: those before the predictor.
    source: Literal["logits", "features"] = "logits"
    modules: int = setting(4, at_least=1)
    growth: int = setting(4, at_least=1)
    bottleneck: int = setting(16, at_least=1)
    first_kernel: Literal[1, 3] = 1  # of the bottleneck convolution
    projection_kernel: Literal[1, 3] = 1  # of the convolution back to the classes
    prelu: Literal["scalar", "channel"] = "scalar"  # one slope, 0.001 at first; or 0.25


@dataclass(kw_only=True)
class QuasiConfig:
    """Quasi-multitask branches (MaskPlus sec. 3.4), in training only."""

    # 0.5: half the mask's side; 2: twice; empty: off.
    sizes: tuple[float, ...] = setting((), above=0)
    after_context: bool = True  # they see the feature with its context


@dataclass(kw_only=True)
class MaskScoringConfig:
    """The MaskIoU head (Mask Scoring R-CNN)."""

    enabled: bool = False
    detach_mask: bool = False  # no gradient from MaskIoU into the mask head


@dataclass(kw_only=True)
class MaskConfig:
    """The mask branch: a head, and what surrounds it."""

    head: MaskHeadConfig = field(default_factory=FCNMaskHeadConfig)
    soft_targets: bool = False  # targets keep their coverage (Tensorpack), else >= 0.5
    train_on_predicted_boxes: bool = False  # rois of training: boxes as predicted
    sobel: bool = False  # boundary supervision of the predicted mask's Sobel gradient
    boundary: BoundaryConfig = field(default_factory=BoundaryConfig)
    context: ContextConfig = field(default_factory=ContextConfig)
    pyramid: PyramidConfig = field(default_factory=PyramidConfig)
    refinement: BoundaryRefinementConfig = field(
        default_factory=BoundaryRefinementConfig
    )
    quasi: QuasiConfig = field(default_factory=QuasiConfig)
    scoring: MaskScoringConfig = field(default_factory=MaskScoringConfig)


@dataclass(kw_only=True)
class RefineConfig:
    """The refining module (MR R-CNN sec. 3)."""

    enabled: bool = False
    pooling: Literal["shape_aware", "plain"] = "shape_aware"
    classes: bool = True  # scores are refined; false: the base scores stand
    boxes: bool = True  # boxes are refined; false: the base boxes stand
    masks: bool = True  # masks are refined; false: the base masks, on the final boxes
    # Share of the refined logits: (base + alpha * refined) / (1 + alpha).
    alpha: float = setting(1.0, at_least=0)
    candidates: Literal["detections", "proposals"] = "detections"  # refined at test
    # Whose mask weights the pooling of a foreground sample in training: that of its
    # target class (sec. 3.2), or of the predicted class, as at test.
    labels: Literal["target", "predicted"] = "target"
    regression_weights: tuple[float, float, float, float] = setting(
        (10.0, 10.0, 5.0, 5.0), above=0
    )
    rematch: bool = True  # training: refined boxes are matched anew, at the same IoU
    detach_mask: bool = False  # no gradient through the mask that weights the pooling
    # zero: the refined feature is the plain one at first.
    flow_initializer: Literal["msra", "zero"] = "msra"
