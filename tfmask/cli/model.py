"""A model with trained weights, as commands need it."""

import dataclasses
import sys

from tfmask.config import Config
from tfmask.errors import ConfigError
from tfmask.structures import ClassMap


def load_model(config: Config, path: str, class_map: ClassMap):
    """The model of the configuration with trained weights; classes must agree."""
    from tfmask.models.build import build_model
    from tfmask.training.devices import prepare_gpus
    from tfmask.weights.load import load_weights

    prepare_gpus(shapes_repeat=False)  # images have any size

    if config.model.num_classes not in (0, class_map.num_classes):
        raise ConfigError(
            f"model.num_classes={config.model.num_classes}, as CONFIG or the command "
            f"line has it: the weights have {class_map.num_classes} classes; "
            "model.num_classes=0 on the command line takes their number"
        )
    settings = dataclasses.replace(config.model, num_classes=class_map.num_classes)
    model = build_model(settings, config.train.precision)
    report = load_weights(model, path, class_map=class_map)
    for line in report.differences():
        print(f"{path}: {line}", file=sys.stderr)
    return model


def numbered_classes(config: Config) -> ClassMap:
    """Numbers in place of names, for weights that do not say their classes."""
    count = config.model.num_classes
    if not count:
        raise ConfigError(
            "model.num_classes: the weights do not say their classes; expected "
            "model.num_classes=NUMBER"
        )
    ids = tuple(range(1, count + 1))
    return ClassMap(ids, tuple(map(str, ids)))
