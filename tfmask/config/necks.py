"""Settings of necks. Each yields P2..P6."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from tfmask.config.settings import PartConfig, setting

NeckNorm = Literal["none", "bn", "sync_bn", "gn"]
# xavier: uniform, fan_in (Caffe2); torch: uniform +-1/sqrt(fan_in), bias too.
NeckInitializer = Literal["xavier", "variance_scaling"]


@dataclass(kw_only=True)
class FPNConfig(PartConfig):
    """Feature pyramid network."""

    tag: ClassVar[str] = "fpn"
    num_levels: ClassVar[int] = 5  # P2..P6, each with an anchor size

    channels: int = setting(256, at_least=1)
    norm: NeckNorm = "none"
    initializer: NeckInitializer = "xavier"


@dataclass(kw_only=True)
class IEFPNConfig(PartConfig):
    """Information-enhanced FPN (IEMask R-CNN sec. 3.2, 3.3): each module a switch."""

    tag: ClassVar[str] = "iefpn"
    num_levels: ClassVar[int] = 5

    channels: int = setting(256, at_least=1)
    channel_enhancement: bool = True  # CEM on C3..C5
    global_information: bool = True  # GIM of C5, in P5
    bottom_up: bool = True
    adaptive_fusion: bool = True  # AFF in the bottom-up path, else a sum
    # GIM and CEM at P5: concatenated (release) or added (Eq. 2).
    global_fusion: Literal["concat", "add"] = "concat"
    convolve_p2: bool = False  # N2 is a convolution of P2 (Eq. 9), else P2 (release)
    # AFF weighs a convolution of P_i (Eq. 12); false: P_i itself, as the release does.
    convolve_before_fusion: bool = True


@dataclass(kw_only=True)
class PANetConfig(PartConfig):
    """FPN with PANet's bottom-up path (PANet sec. 3.1)."""

    tag: ClassVar[str] = "panet"
    num_levels: ClassVar[int] = 5

    channels: int = setting(256, at_least=1)
    norm: NeckNorm = "none"
    initializer: NeckInitializer = "xavier"


@dataclass(kw_only=True)
class HRFPNConfig(PartConfig):
    """HRNet's neck: all resolutions joined at stride 4, then pooled."""

    tag: ClassVar[str] = "hrfpn"
    num_levels: ClassVar[int] = 5

    channels: int = setting(256, at_least=1)


NeckConfig = FPNConfig | IEFPNConfig | PANetConfig | HRFPNConfig | PartConfig
