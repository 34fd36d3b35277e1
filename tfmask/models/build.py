"""From a configuration to a model with all its weights."""

import contextlib

import keras

from tfmask.backbones.resnet import ResNet
from tfmask.config import ModelConfig
from tfmask.errors import ConfigError
from tfmask.heads.box_head import BoxHead
from tfmask.heads.mask_information_flow import MaskInformationFlow
from tfmask.heads.rpn_head import RPNHead
from tfmask.layers.roi_pooling import MultilevelRoIAlign
from tfmask.layers.shape_aware_roi_align import ShapeAwareRoIAlign
from tfmask.models.build_mask import (
    build_mask_branch,
    build_mask_head,
    make_mask_branch,
    make_mask_head,
    make_pool,
)
from tfmask.models.mask_branch import MaskBranch
from tfmask.models.rcnn import LEVELS, GeneralizedRCNN
from tfmask.models.refine import RefiningModule
from tfmask.necks.fpn import FPN

_POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


@contextlib.contextmanager
def precision_scope(precision: str):
    """Layers made inside compute in `precision` and keep float32 weights."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(_POLICIES[precision])
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def build_model(
    settings: ModelConfig,
    precision: str = "float32",
    model_class: type[GeneralizedRCNN] = GeneralizedRCNN,
) -> GeneralizedRCNN:
    """Builds the model of a configuration and creates its weights.

    Args:
      settings: `num_classes` must be set.
      precision: `float32`, `bfloat16` or `float16`: what convolutions and dense layers
        compute in. Boxes, suppression and losses are float32 always.
      model_class: see models.architectures.

    Raises:
      ConfigError: num_classes is not positive.
    """
    if settings.num_classes < 1:
        raise ConfigError(
            f"model.num_classes={settings.num_classes}: expected the number of "
            "categories; it is taken from the annotations unless set"
        )
    with precision_scope(precision):
        box_head, mask_branch = _box_head(settings), make_mask_branch(settings)
        model = model_class(
            backbone=_backbone(settings),
            neck=FPN(
                settings.neck.channels,
                norm=settings.neck.norm,
                initializer=settings.neck.initializer,
                name="neck",
            ),
            rpn_head=RPNHead(
                len(settings.anchors.ratios), settings.rpn.channels, name="rpn_head"
            ),
            box_pool=make_pool(
                settings, settings.box.pool_size, LEVELS[:-1], "box_pool"
            ),
            box_head=box_head,
            mask_branch=mask_branch,
            settings=settings,
            refiner=_refiner(settings, mask_branch, box_head),
            name="mask_rcnn",
        )
    _create_weights(model)
    return model


def _backbone(settings):
    part = settings.backbone
    return ResNet(
        part.depth,
        part.width,
        norm=part.norm,
        norm_epsilon=part.norm_epsilon,
        train_affine=part.train_affine,
        stride_in_1x1=part.stride_in_1x1,
        freeze_at=part.freeze_at,
        name="backbone",
    )


def _refiner(settings, mask_branch, base_box_head):
    """MR R-CNN's refining module, or None."""
    part = settings.refine
    if not part.enabled:
        return None
    pool_class = MultilevelRoIAlign if part.pooling == "plain" else ShapeAwareRoIAlign
    pool = make_pool(
        settings, settings.box.pool_size, LEVELS[:-1], "refine_box_pool", pool_class
    )
    box_head = masks = None
    if part.classes or part.boxes:
        box_head = _box_head(settings, "refine_box_head")
    if part.masks:
        masks = MaskBranch(
            make_mask_head(settings, name="refine_mask_head"),
            mask_branch.pools,
            settings.mask,
            # Shared with the base: they judge masks, whichever head these are of.
            sobel=mask_branch.sobel,
            scoring=mask_branch.scoring,
            flow=MaskInformationFlow(
                settings.neck.channels,
                initializer=part.flow_initializer,
                name="refine_mask_flow",
            ),
        )
    return RefiningModule(settings, mask_branch, base_box_head, pool, box_head, masks)


def _box_head(settings, name="box_head"):
    part = settings.box
    return BoxHead(
        settings.num_classes,
        part.fc_layers,
        fc_units=part.fc_units,
        class_agnostic=part.class_agnostic,
        background_row=part.background_row,
        initializer=part.initializer,
        name=name,
    )


def _create_weights(model: GeneralizedRCNN) -> None:
    """Builds every part from the shapes of the part before it."""
    channels = model.settings.neck.channels
    model.backbone.build((None, None, None, 3))
    stages = {k: (None, None, None, c) for k, c in model.backbone.channels.items()}
    model.neck.build(stages)
    model.rpn_head.build([(None, None, None, channels)] * len(LEVELS))
    side = model.settings.box.pool_size
    model.box_head.build((None, side, side, channels))
    build_mask_branch(model.mask_branch, model.settings)
    model.box_pool.build(None)
    if model.refiner is not None:
        _create_refining_weights(model.refiner, model.settings)
    model.built = True


def _create_refining_weights(refiner, settings) -> None:
    """The refining heads start with the same values as the base heads."""
    channels = settings.neck.channels
    side = settings.box.pool_size
    refiner.box_pool.build(None)
    if refiner.box_head is not None:
        refiner.box_head.build((None, side, side, channels))
    if refiner.masks is not None:
        build_mask_head(refiner.masks.head, channels)
        side = settings.mask.pool_size
        roi = (None, side, side, channels)
        refiner.masks.flow.build([roi, (None, side, side, settings.mask.channels)])
    refiner.start_from_base([ours.name for ours, _ in refiner.heads])
