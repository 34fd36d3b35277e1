"""The configuration of a run: schema, recipes, overrides, checks.

A recipe is a Python file with a function `config() -> Config`. Nothing here imports
TensorFlow, so that a typing error on the command line is answered at once.
"""

from tfmask.config.checks import get, validate
from tfmask.config.recipes import load_config, recipes_folder
from tfmask.config.schema import (
    AnchorConfig,
    BackboneConfig,
    BoxConfig,
    Config,
    ConfigError,
    DataConfig,
    EvalConfig,
    LossWeightConfig,
    LossWeightPoint,
    MaskConfig,
    ModelConfig,
    NeckConfig,
    PoolConfig,
    PostprocessConfig,
    RoIConfig,
    RPNConfig,
    TrainConfig,
)
from tfmask.config.text import apply_overrides, describe, from_dict, to_dict

__all__ = [
    "AnchorConfig",
    "BackboneConfig",
    "BoxConfig",
    "Config",
    "ConfigError",
    "DataConfig",
    "EvalConfig",
    "LossWeightConfig",
    "LossWeightPoint",
    "MaskConfig",
    "ModelConfig",
    "NeckConfig",
    "PoolConfig",
    "PostprocessConfig",
    "RPNConfig",
    "RoIConfig",
    "TrainConfig",
    "apply_overrides",
    "describe",
    "from_dict",
    "get",
    "load_config",
    "recipes_folder",
    "to_dict",
    "validate",
]
