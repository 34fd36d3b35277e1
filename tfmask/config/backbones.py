"""Settings of backbones."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from tfmask.config.settings import PartConfig, setting

BackboneNorm = Literal["frozen_bn", "bn", "sync_bn", "gn"]


@dataclass(kw_only=True)
class ResNetConfig(PartConfig):
    """ResNet and ResNeXt, plain or deformable.

    Depths 10, 18 and 34 have basic blocks, 26, 50 and 101 bottlenecks.
    """

    tag: ClassVar[str] = "resnet"

    depth: Literal[10, 18, 26, 34, 50, 101] = 50
    width: int = setting(64, at_least=1)  # channels of the stem; stage i: width * 2**i
    groups: int = setting(1, at_least=1)  # of the 3x3 convolutions; ResNeXt: 32
    # Channels of each group of the first stage, at width 64; ResNeXt 32x8d: 8.
    width_per_group: int = setting(64, at_least=1)
    deformable: Literal["none", "v1", "modulated"] = "none"  # 3x3 of deformable_stages
    deformable_stages: tuple[int, ...] = setting((3, 4, 5), at_least=2, at_most=5)
    norm: BackboneNorm = "frozen_bn"
    train_affine: bool = False  # frozen_bn: gamma and beta are trained (Tensorpack)
    norm_epsilon: float = setting(1e-5, at_least=0)
    stride_in_1x1: bool = True  # bottleneck: stride on the first 1x1 (MSRA), else 3x3
    # 0: all trained; 1: stem frozen; 2: stem and res2; ...
    freeze_at: int = setting(2, at_least=0, at_most=5)
    # ImageNet weights: FORMAT:PATH, see `tfmask convert`.
    weights: str = setting("", path=True, argument=False)


@dataclass(kw_only=True)
class HRNetConfig(PartConfig):
    """HRNetV2, whose four resolutions stay side by side."""

    tag: ClassVar[str] = "hrnet"

    width: int = setting(32, at_least=1)  # channels at stride 4; W32: 32
    norm: BackboneNorm = "frozen_bn"
    norm_epsilon: float = setting(1e-5, at_least=0)
    # 0: all trained; 1: stem frozen; 2: stem and first stage; ...
    freeze_at: int = setting(0, at_least=0, at_most=5)
    weights: str = setting("", path=True, argument=False)


BackboneConfig = ResNetConfig | HRNetConfig | PartConfig
