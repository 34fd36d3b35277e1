"""From a configuration to a model with all its weights."""

import contextlib

import keras

from tfmask.backbones.resnet import ResNet
from tfmask.config import ConfigError, ModelConfig
from tfmask.heads.box_head import BoxHead
from tfmask.heads.mask_head import FCNMaskHead
from tfmask.heads.rpn_head import RPNHead
from tfmask.layers.roi_pooling import MultilevelRoIAlign
from tfmask.models.rcnn import LEVELS, GeneralizedRCNN
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


def build_model(settings: ModelConfig, precision: str = "float32") -> GeneralizedRCNN:
    """Builds Mask R-CNN and creates its weights.

    Args:
      settings: `num_classes` must be set.
      precision: `float32`, `bfloat16` or `float16`: what convolutions and dense layers
        compute in. Boxes, suppression and losses are float32 always.

    Raises:
      ConfigError: num_classes is not positive.
    """
    if settings.num_classes < 1:
        raise ConfigError(
            f"model.num_classes={settings.num_classes}: expected the number of "
            "categories; it is taken from the annotations unless set"
        )
    with precision_scope(precision):
        mask_head = _mask_head(settings)
        model = GeneralizedRCNN(
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
            box_pool=_pool(settings, settings.box.pool_size, LEVELS[:-1], "box_pool"),
            box_head=_box_head(settings),
            mask_head=mask_head,
            mask_pools={
                name: _pool(settings, spec.size, spec.levels, f"{name}_pool")
                for name, spec in mask_head.roi_specs.items()
            },
            settings=settings,
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


def _box_head(settings):
    part = settings.box
    return BoxHead(
        settings.num_classes,
        part.fc_layers,
        fc_units=part.fc_units,
        class_agnostic=part.class_agnostic,
        background_row=part.background_row,
        initializer=part.initializer,
        name="box_head",
    )


def _mask_head(settings):
    part = settings.mask
    return FCNMaskHead(
        settings.num_classes,
        part.pool_size,
        conv_layers=part.conv_layers,
        channels=part.channels,
        background_channel=part.background_channel,
        predictor_initializer=part.predictor_initializer,
        name="mask_head",
    )


def _pool(settings, size, levels, name):
    return MultilevelRoIAlign(
        size,
        levels=levels,
        sampling_ratio=settings.pool.sampling_ratio,
        aligned=settings.pool.aligned,
        canonical_size=settings.pool.canonical_size,
        inclusive=settings.inclusive_boxes,
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
    model.mask_head.build(
        {
            name: (None, spec.size, spec.size, channels)
            for name, spec in model.mask_head.roi_specs.items()
        }
    )
    for pool in (model.box_pool, *model.mask_pools.values()):
        pool.build(None)
    model.built = True
