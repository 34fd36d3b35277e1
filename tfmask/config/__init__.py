"""The configuration of a run: schema, recipes, overrides, checks.

A recipe is a function that returns a `Config`. Nothing here imports TensorFlow, so that
a typing error on the command line is answered at once.
"""

from tfmask.config.augment import AugmentConfig
from tfmask.config.backbones import BackboneConfig, HRNetConfig, ResNetConfig
from tfmask.config.boxes import (
    AdaptiveBoxHeadConfig,
    AnchorConfig,
    BoxesConfig,
    BoxHeadConfig,
    BoxStageConfig,
    FastRCNNHeadConfig,
    PoolConfig,
    PostprocessConfig,
    RoIConfig,
    RPNConfig,
    cascade_stages,
)
from tfmask.config.checks import get, validate
from tfmask.config.data import DataConfig, EvalConfig
from tfmask.config.masks import (
    MASK_IOU_POOL,
    AdaptiveMaskHeadConfig,
    BoundaryConfig,
    BoundaryPreservingHeadConfig,
    BoundaryRefinementConfig,
    ContextConfig,
    EncoderDecoderHeadConfig,
    FCNMaskHeadConfig,
    MaskConfig,
    MaskHeadConfig,
    MaskScoringConfig,
    PyramidConfig,
    QuasiConfig,
    RefineConfig,
)
from tfmask.config.necks import (
    FPNConfig,
    HRFPNConfig,
    IEFPNConfig,
    NeckConfig,
    PANetConfig,
)
from tfmask.config.plain import from_dict, to_dict
from tfmask.config.recipes import (
    load_config,
    recipe_names,
    recipe_summary,
    recipes_folder,
)
from tfmask.config.schema import Config, ModelConfig
from tfmask.config.settings import SOME, PartConfig, Range, setting
from tfmask.config.tables import tables_as_data
from tfmask.config.tables_text import format_tables
from tfmask.config.text import apply_overrides, describe
from tfmask.config.train import LossWeightConfig, LossWeightPoint, TrainConfig
from tfmask.config.trunk import why_random_trunk
from tfmask.errors import ConfigError

__all__ = [
    "AdaptiveBoxHeadConfig",
    "AdaptiveMaskHeadConfig",
    "AnchorConfig",
    "AugmentConfig",
    "BackboneConfig",
    "BoundaryConfig",
    "BoundaryPreservingHeadConfig",
    "BoundaryRefinementConfig",
    "BoxHeadConfig",
    "BoxStageConfig",
    "BoxesConfig",
    "Config",
    "ConfigError",
    "ContextConfig",
    "DataConfig",
    "EncoderDecoderHeadConfig",
    "EvalConfig",
    "FCNMaskHeadConfig",
    "FPNConfig",
    "FastRCNNHeadConfig",
    "HRFPNConfig",
    "HRNetConfig",
    "IEFPNConfig",
    "LossWeightConfig",
    "LossWeightPoint",
    "MASK_IOU_POOL",
    "MaskConfig",
    "MaskHeadConfig",
    "MaskScoringConfig",
    "ModelConfig",
    "NeckConfig",
    "PANetConfig",
    "PartConfig",
    "PoolConfig",
    "PostprocessConfig",
    "PyramidConfig",
    "QuasiConfig",
    "RPNConfig",
    "Range",
    "RefineConfig",
    "ResNetConfig",
    "RoIConfig",
    "SOME",
    "TrainConfig",
    "apply_overrides",
    "cascade_stages",
    "describe",
    "format_tables",
    "from_dict",
    "get",
    "load_config",
    "recipe_names",
    "recipe_summary",
    "recipes_folder",
    "setting",
    "tables_as_data",
    "to_dict",
    "validate",
    "why_random_trunk",
]
