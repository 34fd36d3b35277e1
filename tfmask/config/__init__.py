"""The configuration of a run: schema, recipes, overrides, checks.

A recipe is a Python file with a function `config() -> Config`. Nothing here imports
TensorFlow, so that a typing error on the command line is answered at once.
"""

from tfmask.config.checks import get, require_complete, validate
from tfmask.config.mask_schema import (
    BoundaryConfig,
    BoundaryRefinementConfig,
    ContextConfig,
    MaskConfig,
    MaskScoringConfig,
    PyramidConfig,
    QuasiConfig,
    RefineConfig,
)
from tfmask.config.recipes import load_config, recipe_names, recipes_folder
from tfmask.config.schema import (
    AnchorConfig,
    BackboneConfig,
    BoxConfig,
    Config,
    DataConfig,
    EvalConfig,
    LossWeightConfig,
    LossWeightPoint,
    ModelConfig,
    NeckConfig,
    PoolConfig,
    PostprocessConfig,
    PublishedRow,
    RoIConfig,
    RPNConfig,
    TrainConfig,
)
from tfmask.config.tables import TableRow, format_tables, table_rows
from tfmask.config.text import apply_overrides, describe, from_dict, to_dict
from tfmask.errors import ConfigError

__all__ = [
    "AnchorConfig",
    "BackboneConfig",
    "BoundaryConfig",
    "BoundaryRefinementConfig",
    "BoxConfig",
    "Config",
    "ConfigError",
    "ContextConfig",
    "DataConfig",
    "EvalConfig",
    "LossWeightConfig",
    "LossWeightPoint",
    "MaskConfig",
    "MaskScoringConfig",
    "ModelConfig",
    "NeckConfig",
    "PoolConfig",
    "PostprocessConfig",
    "PublishedRow",
    "PyramidConfig",
    "QuasiConfig",
    "RPNConfig",
    "RefineConfig",
    "RoIConfig",
    "TableRow",
    "TrainConfig",
    "apply_overrides",
    "describe",
    "format_tables",
    "from_dict",
    "get",
    "load_config",
    "recipe_names",
    "recipes_folder",
    "require_complete",
    "table_rows",
    "to_dict",
    "validate",
]
