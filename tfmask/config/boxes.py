"""Settings of proposals and of the box stages."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tfmask.config.settings import SOME, PartConfig, setting

# xavier: Kaiming uniform with a=1.
DenseInitializer = Literal["xavier", "variance_scaling", "msra", "normal"]
_REGRESSION_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


@dataclass(kw_only=True)
class AnchorConfig:
    """Anchors of the region proposal network."""

    # Pixels, one for each level of the neck.
    sizes: tuple[float, ...] = setting(
        (32.0, 64.0, 128.0, 256.0, 512.0), above=0, items=SOME
    )
    ratios: tuple[float, ...] = setting((0.5, 1.0, 2.0), above=0, items=SOME)  # h / w
    # integer: as torchvision; legacy: as py-faster-rcnn and maskrcnn-benchmark.
    rounding: Literal["none", "integer", "legacy"] = "none"


@dataclass(kw_only=True)
class RPNConfig:
    """Region proposal network."""

    channels: int = setting(256, at_least=1)
    # It has a backbone and neck of its own, the detector another (MaskPlus sec. 4.2).
    separate_backbone: bool = False
    fg_iou: float = setting(0.7, at_least=0, at_most=1)
    bg_iou: float = setting(0.3, at_least=0, at_most=1)
    # An object's best anchor when it is below bg_iou: win -> foreground, lose -> not.
    low_quality: Literal["win", "lose"] = "win"
    # An object's best anchor is sought among all anchors, or those inside the image.
    match: Literal["all", "inside"] = "all"
    inside_only: bool = False  # anchors that leave the image take no part in the loss
    batch: int = setting(256, at_least=1)  # anchors sampled per image
    fg_fraction: float = setting(0.5, at_least=0, at_most=1)
    smooth_l1_beta: float = setting(0.0, at_least=0)  # 0: L1
    # The box loss is divided by images x batch, or by the anchors that were sampled.
    normalizer: Literal["batch", "sampled"] = "batch"
    pre_nms_train: int = setting(2000, at_least=1)  # per level
    post_nms_train: int = setting(1000, at_least=1)  # per image
    # batch: the best post_nms_train x images of a replica, of all its images together.
    post_nms_scope: Literal["image", "batch"] = "image"
    pre_nms_test: int = setting(1000, at_least=1)
    post_nms_test: int = setting(1000, at_least=1)
    nms_iou: float = setting(0.7, at_least=0, at_most=1)
    min_size: float = setting(0.0, at_least=0)  # pixels; smaller proposals are dropped


@dataclass(kw_only=True)
class RoIConfig:
    """Which proposals train the heads."""

    batch: int = setting(512, at_least=1)  # per image
    fg_fraction: float = setting(0.25, at_least=0, at_most=1)
    bg_iou_low: float = setting(0.0, at_least=0, at_most=1)
    add_ground_truth: bool = True
    # Share of a box, or anchor, inside a crowd region that leaves it out of the loss;
    # no share is above 1, so that more than 1 switches the rule off.
    crowd_ioa: float = setting(0.5, at_least=0, at_most=10)


@dataclass(kw_only=True)
class PoolConfig:
    """RoIAlign."""

    aligned: bool = True  # sample positions shifted by half a pixel
    # Samples per bin and axis; 0: adaptive, ceil(roi / bins).
    sampling_ratio: int = setting(0, at_least=0)
    canonical_size: float = setting(224.0, above=0)  # such a box is pooled from P4


@dataclass(kw_only=True)
class FastRCNNHeadConfig(PartConfig):
    """Fully connected layers, then classes and box deltas."""

    tag: ClassVar[str] = "fast_rcnn"

    pool_size: int = setting(7, at_least=1)
    fc_layers: int = setting(2, at_least=1)
    fc_units: int = setting(1024, at_least=1)
    class_agnostic: bool = False  # one box for all classes
    background_row: bool = False  # a row of deltas for the background, never used
    initializer: DenseInitializer = "xavier"


@dataclass(kw_only=True)
class AdaptiveBoxHeadConfig(PartConfig):
    """Box head with adaptive feature pooling: every roi from every level (PANet)."""

    tag: ClassVar[str] = "adaptive"

    pool_size: int = setting(7, at_least=1)
    # Layers per level before the maximum: a fully connected one, or a convolution.
    form: Literal["2fc", "4conv1fc"] = "2fc"
    channels: int = setting(256, at_least=1)  # of the convolutions of 4conv1fc
    fc_units: int = setting(1024, at_least=1)
    norm: Literal["none", "gn"] = "none"
    class_agnostic: bool = False
    background_row: bool = False
    initializer: DenseInitializer = "xavier"


BoxHeadConfig = FastRCNNHeadConfig | AdaptiveBoxHeadConfig | PartConfig


@dataclass(kw_only=True)
class BoxStageConfig:
    """One box stage: what is foreground, and the scale of its deltas."""

    fg_iou: float = setting(0.5, above=0, at_most=1)
    regression_weights: tuple[float, float, float, float] = setting(
        _REGRESSION_WEIGHTS, above=0
    )


def _one_stage() -> tuple[BoxStageConfig, ...]:
    return (BoxStageConfig(),)


def cascade_stages() -> tuple[BoxStageConfig, ...]:
    """The three stages of Cascade R-CNN (CVPR 2018)."""
    return (
        BoxStageConfig(fg_iou=0.5, regression_weights=(10.0, 10.0, 5.0, 5.0)),
        BoxStageConfig(fg_iou=0.6, regression_weights=(20.0, 20.0, 10.0, 10.0)),
        BoxStageConfig(fg_iou=0.7, regression_weights=(30.0, 30.0, 15.0, 15.0)),
    )


@dataclass(kw_only=True)
class BoxesConfig:
    """Box stages, each with a head of its own; more than one: Cascade R-CNN."""

    head: BoxHeadConfig = field(default_factory=FastRCNNHeadConfig)
    stages: tuple[BoxStageConfig, ...] = setting(_one_stage, items=SOME)
    max_log_scale: float = setting(4.135166556742356, above=0)  # log(1000 / 16)
    smooth_l1_beta: float = setting(0.0, at_least=0)  # 0: L1
    # Share of each stage's gradient that reaches the features; 0: 1 / number of stages.
    gradient_scale: float = setting(0.0, at_least=0)


@dataclass(kw_only=True)
class PostprocessConfig:
    """From the scores of all boxes to detections."""

    score_threshold: float = setting(0.05, at_least=0, at_most=1)
    nms_iou: float = setting(0.5, at_least=0, at_most=1)
    # Which boxes suppress each other: those of one class, or those of all classes.
    nms_scope: Literal["class", "all"] = "class"
    max_detections: int = setting(100, at_least=1)  # per image
