"""Shipped recipes, each part narrow enough to be made in no time."""

import json

from tfmask.config import (
    AdaptiveBoxHeadConfig,
    AdaptiveMaskHeadConfig,
    Config,
    ResNetConfig,
    load_config,
    recipe_names,
    to_dict,
)


def shrunk(config: Config) -> Config:
    """Each part of the recipe's model, with few channels and blocks; three classes."""
    model = config.model
    model.num_classes = 3
    # 32 is what group normalisation needs at least; 26 layers have bottlenecks.
    if isinstance(model.backbone, ResNetConfig):
        model.backbone.width = 32
        model.backbone.depth = min(model.backbone.depth, 26)
        model.backbone.groups = min(model.backbone.groups, 2)
    else:
        model.backbone.width, model.backbone.blocks = 8, 1
        model.backbone.modules = (1, 1, 1)
    model.neck.channels = model.rpn.channels = model.mask.head.channels = 32
    model.boxes.head.fc_units = 8
    if isinstance(model.boxes.head, AdaptiveBoxHeadConfig):
        model.boxes.head.channels = 32
    if isinstance(model.mask.head, AdaptiveMaskHeadConfig):
        model.mask.head.channels = 64  # half of them have 32 groups
    if model.mask.context.filters:
        model.mask.context.filters = (32,) * len(model.mask.context.filters)
    return config


def recipes_by_model(settings_of) -> dict[str, list[str]]:
    """The recipes of each model: the first one's name -> the names of all of them.

    Args:
      settings_of: from a model's settings as a dict to what tells it from others.
    """
    groups: dict[str, list[str]] = {}
    for name in recipe_names():
        settings = to_dict(shrunk(load_config(name)))["model"]
        groups.setdefault(json.dumps(settings_of(settings)), []).append(name)
    return {names[0]: names for names in groups.values()}
