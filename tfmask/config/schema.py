"""The settings of a run, as typed dataclasses."""

from dataclasses import dataclass, field
from typing import Literal

from tfmask.config.backbones import BackboneConfig, ResNetConfig
from tfmask.config.boxes import (
    AnchorConfig,
    BoxesConfig,
    PoolConfig,
    PostprocessConfig,
    RoIConfig,
    RPNConfig,
)
from tfmask.config.data import DataConfig, EvalConfig
from tfmask.config.masks import MaskConfig, RefineConfig
from tfmask.config.necks import FPNConfig, NeckConfig
from tfmask.config.settings import SOME, setting
from tfmask.config.train import TrainConfig


@dataclass(kw_only=True)
class ModelConfig:
    """The model: its parts, in the order in which an image passes them."""

    lineage: str = "detectron2"  # the code base whose choices the defaults are
    num_classes: int = setting(0, at_least=0)  # 0: from the training annotations
    # Start from: .tfmask.h5, a run folder, or FORMAT:PATH.
    weights: str = setting("", path=True)
    channel_order: Literal["rgb", "bgr"] = "rgb"  # what the first convolution sees
    # Of each channel of the image: R, G, B, or as many as data.channels.
    pixel_mean: tuple[float, ...] = setting((123.675, 116.28, 103.53), items=SOME)
    pixel_std: tuple[float, ...] = setting((58.395, 57.12, 57.375), above=0, items=SOME)
    inclusive_boxes: bool = False  # legacy +1 boxes: RoIAlign sees x2 - 1, y2 - 1
    backbone: BackboneConfig = field(default_factory=ResNetConfig)
    neck: NeckConfig = field(default_factory=FPNConfig)
    anchors: AnchorConfig = field(default_factory=AnchorConfig)
    rpn: RPNConfig = field(default_factory=RPNConfig)
    roi: RoIConfig = field(default_factory=RoIConfig)
    pool: PoolConfig = field(default_factory=PoolConfig)
    boxes: BoxesConfig = field(default_factory=BoxesConfig)
    mask: MaskConfig = field(default_factory=MaskConfig)
    refine: RefineConfig = field(default_factory=RefineConfig)
    postprocess: PostprocessConfig = field(default_factory=PostprocessConfig)


@dataclass(kw_only=True)
class Config:
    """One run: data, model, training, evaluation."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluation: EvalConfig = field(default_factory=EvalConfig)
