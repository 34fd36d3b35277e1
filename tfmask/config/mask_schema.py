"""Settings of the mask branch and of what refines its result."""

from dataclasses import dataclass, field

# Bins a side of the MaskIoU head's feature, whatever the mask head pools.
MASK_IOU_POOL = 14


@dataclass(kw_only=True)
class BoundaryConfig:
    """Boundary supervision (BMask R-CNN sec. 3)."""

    levels: tuple[str, ...] = ("p2",)  # pyramid levels of the boundary feature
    pool_size: int = 28  # bins a side of the boundary feature: 28 or 14
    mask_to_boundary: bool = True  # M2B fusion
    boundary_to_mask: bool = True  # B2M fusion
    target: str = "boundary"  # boundary | mask | none (no loss, layers kept)
    loss: str = "dice_bce"  # dice_bce | dice | bce | weighted_bce
    bce_weight: float = 1.0  # lambda of Eq. 2, of dice_bce
    dice_squared: bool = False  # Dice with squares below (paper), else sums (release)


@dataclass(kw_only=True)
class ContextConfig:
    """Contextual fusion (MaskPlus sec. 3.1): the whole image as one more roi."""

    filters: tuple[int, ...] = ()  # of the 3x3 convolutions; empty: off
    level: str = "p5"  # pyramid level that the image is pooled from
    last_relu: bool = True  # ReLU after the last convolution too


@dataclass(kw_only=True)
class PyramidConfig:
    """Deconvolutional pyramid module (MaskPlus sec. 3.2)."""

    enabled: bool = False
    position: str = "after"  # after | before the head's own convolutions
    kernel_size: int = 2  # of the deconvolutions: 2 or 4


@dataclass(kw_only=True)
class BoundaryRefinementConfig:
    """Boundary refinement of mask logits (MaskPlus sec. 3.3)."""

    kind: str = "none"  # none | improved | original
    source: str = "logits"  # improved reads: logits | features (before the predictor)
    modules: int = 4
    growth: int = 4
    bottleneck: int = 16
    first_kernel: int = 1  # of the bottleneck convolution: 1 or 3
    projection_kernel: int = 1  # of the convolution back to the classes: 1 or 3
    prelu: str = "scalar"  # scalar (one slope, 0.001 at first) | channel (0.25)


@dataclass(kw_only=True)
class QuasiConfig:
    """Quasi-multitask branches (MaskPlus sec. 3.4), in training only."""

    sizes: tuple[float, ...] = ()  # 0.5: half the mask's side; 2: twice; empty: off
    after_context: bool = True  # they see the feature with its context


@dataclass(kw_only=True)
class MaskScoringConfig:
    """The MaskIoU head (Mask Scoring R-CNN)."""

    enabled: bool = False
    detach_mask: bool = False  # no gradient from MaskIoU into the mask head


@dataclass(kw_only=True)
class MaskConfig:
    head: str = "fcn"  # fcn | boundary_preserving | encoder_decoder
    pool_size: int = 14  # 28 for encoder_decoder
    conv_layers: int = 4  # 8: the larger mask head of BMask R-CNN, Table 8
    channels: int = 256
    upsample: bool = True  # fcn: a deconvolution before the predictor
    background_channel: bool = False  # a mask channel for the background, never used
    soft_targets: bool = False  # targets keep their coverage (Tensorpack), else >= 0.5
    predictor_initializer: str = "normal"  # normal N(0, 0.001) | msra
    encoder_decoder_form: str = "released"  # released (concatenation) | paper (sum)
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
    pooling: str = "shape_aware"  # shape_aware | plain
    classes: bool = True  # scores are refined; false: the base scores stand
    boxes: bool = True  # boxes are refined; false: the base boxes stand
    masks: bool = True  # masks are refined; false: the base masks, on the final boxes
    alpha: float = (
        1.0  # share of the refined logits: (base + alpha * refined) / (1 + alpha)
    )
    candidates: str = "detections"  # refined at test: detections | proposals
    regression_weights: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)
    rematch: bool = True  # training: refined boxes are matched anew at roi.fg_iou
    detach_mask: bool = False  # no gradient through the mask that weights the pooling
    flow_initializer: str = (
        "msra"  # msra | zero (the refined feature is plain at first)
    )
