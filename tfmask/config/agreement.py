"""Settings that must agree with each other."""

from tfmask.config.backbones import ResNetConfig
from tfmask.config.boxes import AdaptiveBoxHeadConfig
from tfmask.config.data import EvalConfig
from tfmask.config.image_checks import check_images
from tfmask.config.masks import (
    MASK_IOU_POOL,
    AdaptiveMaskHeadConfig,
    BoundaryPreservingHeadConfig,
    EncoderDecoderHeadConfig,
    MaskConfig,
)
from tfmask.config.necks import IEFPNConfig
from tfmask.config.optimizers import check_optimizer
from tfmask.config.schema import Config, ModelConfig
from tfmask.config.train import TrainConfig
from tfmask.errors import ConfigError

_GROUPS = 32  # of group normalisation
_BASIC_BLOCKS = (10, 18, 34)


def check_agreement(config: Config) -> None:
    """Checks settings that are good alone and may not fit together.

    Of a part from outside only the settings are looked at that it names as tfmask's
    parts do.

    Raises:
      ConfigError: naming the settings, their values and what is expected.
    """
    model = config.model
    check_images(config.data, model)
    _check_backbone(model.backbone)
    _check_pyramid(model)
    _check_proposals(model)
    _check_mask_branch(model.mask, getattr(model.neck, "channels", None))
    refine = model.refine
    if refine.enabled and not (refine.classes or refine.boxes or refine.masks):
        raise ConfigError(
            "model.refine.enabled=True with classes, boxes and masks off: expected at "
            "least one of them on"
        )
    _check_train(config.train)
    _check_ignored(config)
    _check_evaluation(config.evaluation)


def _check_backbone(backbone) -> None:
    _check_groups("model.backbone", backbone, getattr(backbone, "width", None))
    if not isinstance(backbone, ResNetConfig) or backbone.depth not in _BASIC_BLOCKS:
        return
    if backbone.groups > 1 or backbone.deformable != "none":
        raise ConfigError(
            f"model.backbone.depth={backbone.depth} with groups={backbone.groups}, "
            f"deformable={backbone.deformable}: expected a depth with bottlenecks, 26, "
            "50 or 101"
        )


def _check_groups(path: str, part, channels: int | None, halved=False) -> None:
    """Group normalisation divides channels, or half of them, into groups."""
    multiple = 2 * _GROUPS if halved else _GROUPS
    if getattr(part, "norm", "") == "gn" and channels and channels % multiple:
        raise ConfigError(
            f"{path}: {channels} channels with norm=gn: expected a multiple of "
            f"{multiple}, for {_GROUPS} groups"
        )


def _check_pyramid(model: ModelConfig) -> None:
    """The neck, and the anchors of its levels."""
    _check_groups("model.neck", model.neck, getattr(model.neck, "channels", None))
    _check_levels(model.neck)
    outputs = getattr(model.neck, "outputs", None)
    if outputs is None:
        return
    sizes, mask = model.anchors.sizes, model.mask
    if len(sizes) != len(outputs):
        raise ConfigError(
            f"model.anchors.sizes={_items(sizes)}: expected {len(outputs)} sizes, one "
            "for each level of model.neck"
        )
    if mask.context.filters and mask.context.level not in outputs:
        raise ConfigError(
            f"model.mask.context.level={mask.context.level}: expected a level of "
            f"model.neck, one of {', '.join(outputs)}"
        )
    wrong = set(getattr(mask.head, "boundary_levels", ())) - set(outputs[:-1])
    if wrong:
        raise ConfigError(
            f"model.mask.head.boundary_levels={','.join(mask.head.boundary_levels)}: "
            "expected levels of model.neck that rois are pooled from, some of "
            + ", ".join(outputs[:-1])
        )


def _check_levels(neck) -> None:
    """Settings of the neck itself."""
    levels = getattr(neck, "levels", ())
    numbers = [int(level[1:]) for level in levels if level[1:].isdecimal()]
    if numbers and numbers != list(range(numbers[0], numbers[0] + len(levels))):
        raise ConfigError(
            f"model.neck.levels={','.join(levels)}: expected consecutive levels, fine "
            "to coarse"
        )
    if isinstance(neck, IEFPNConfig):
        if neck.fuse_convolved and not neck.convolve_before_fusion:
            raise ConfigError(
                "model.neck.fuse_convolved=True with convolve_before_fusion=False: "
                "expected the convolution whose result is fused"
            )


def _check_proposals(model: ModelConfig) -> None:
    rpn, roi = model.rpn, model.roi
    if rpn.bg_iou > rpn.fg_iou:
        raise ConfigError(
            f"model.rpn.bg_iou={rpn.bg_iou}: expected at most fg_iou={rpn.fg_iou}"
        )
    if rpn.match == "inside" and not rpn.inside_only:
        raise ConfigError(
            "model.rpn.match=inside with inside_only=False: expected inside_only=True, "
            "since anchors outside the image are matched with nothing then"
        )
    head = model.boxes.head
    if isinstance(head, AdaptiveBoxHeadConfig):
        width = head.fc_units if head.form == "2fc" else head.channels
        _check_groups("model.boxes.head", head, width)
    lowest = min(stage.fg_iou for stage in model.boxes.stages)
    if roi.bg_iou_low >= lowest:
        raise ConfigError(
            f"model.roi.bg_iou_low={roi.bg_iou_low}: expected less than "
            f"model.boxes.stages fg_iou={lowest}, or no box is background"
        )
    if len(model.boxes.stages) > 1 and not getattr(head, "class_agnostic", True):
        raise ConfigError(
            f"model.boxes.stages={len(model.boxes.stages)} with "
            "boxes.head.class_agnostic=False: expected class_agnostic=True, since a "
            "stage passes one box per proposal on to the next"
        )


def _check_mask_branch(mask: MaskConfig, channels: int | None) -> None:
    """Settings of the mask branch; `channels` are the neck's, where they are known."""
    head = mask.head
    if isinstance(head, AdaptiveMaskHeadConfig):
        _check_groups("model.mask.head", head, head.channels, head.fc_fusion)
    if isinstance(head, EncoderDecoderHeadConfig):
        if head.form == "paper" and channels and head.channels != channels:
            raise ConfigError(
                f"model.mask.head.channels={head.channels} with form=paper: expected "
                f"{channels} as model.neck.channels, since that form adds the roi "
                "feature to the decoder's; the form released joins them"
            )
    if isinstance(head, BoundaryPreservingHeadConfig):
        if head.boundary_size not in (head.pool_size, 2 * head.pool_size):
            raise ConfigError(
                f"model.mask.head.boundary_size={head.boundary_size} with pool_size="
                f"{head.pool_size}: expected as many bins, or twice as many"
            )
        if mask.sobel:
            raise ConfigError(
                "model.mask.sobel=True with head=boundary_preserving: expected one "
                "kind of boundary supervision; use head=fcn for the Sobel head"
            )
    size = getattr(head, "mask_size", None)
    if mask.scoring.enabled and size and size % MASK_IOU_POOL:
        raise ConfigError(
            f"model.mask.head.pool_size={head.pool_size} with scoring.enabled=True: "
            f"masks of {size} cells per side; expected a multiple of {MASK_IOU_POOL}, "
            "the size of the MaskIoU head's feature"
        )
    sizes = mask.quasi.sizes
    if not set(sizes) <= {0.5, 2.0} or len(set(sizes)) < len(sizes):
        raise ConfigError(
            f"model.mask.quasi.sizes={_items(sizes)}: expected any of 0.5, 2, each once"
        )
    filters = mask.context.filters
    if filters and channels and filters[-1] != channels:
        raise ConfigError(
            f"model.mask.context.filters={_items(filters)}: expected the last one "
            f"{channels} as model.neck.channels"
        )


def _check_train(train: TrainConfig) -> None:
    check_optimizer(train.optimizer)
    replicas = max(len(train.devices), train.virtual_cpus, 1)
    if train.batch_size % replicas:
        raise ConfigError(
            f"train.batch_size={train.batch_size}: expected a multiple of the "
            f"{replicas} replicas"
        )


def _check_ignored(config: Config) -> None:
    """Regions to ignore must come to the losses, and be ignored there."""
    data = config.data
    for name in ("other_classes", "faulty_objects"):
        if getattr(data, name) != "ignore":
            continue
        if not data.keep_crowd:
            raise ConfigError(
                f"data.{name}=ignore with data.keep_crowd=False: expected "
                "keep_crowd=True, or the regions to ignore are dropped"
            )
        if config.model.roi.crowd_ioa > 1:
            raise ConfigError(
                f"data.{name}=ignore with model.roi.crowd_ioa="
                f"{config.model.roi.crowd_ioa:g}: expected at most 1, or the regions "
                "to ignore are background"
            )


def _check_evaluation(evaluation: EvalConfig) -> None:
    tile, overlap = evaluation.tile, evaluation.overlap
    if tile and overlap >= tile:
        raise ConfigError(
            f"evaluation.overlap={overlap} with evaluation.tile={tile}: expected less "
            "than the tile's side, and at least the length of most objects, which are "
            "then seen whole in one tile"
        )


def _items(values: tuple) -> str:
    return ",".join(f"{value:g}" for value in values)
