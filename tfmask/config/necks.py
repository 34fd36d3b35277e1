"""Settings of necks."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from tfmask.config.settings import PartConfig, setting

BackboneLevel = Literal["c2", "c3", "c4", "c5"]
NeckNorm = Literal["none", "frozen_bn", "bn", "sync_bn", "gn"]
NeckInitializer = Literal[
    "xavier", "variance_scaling", "msra", "normal", "kaiming_normal", "torch"
]


@dataclass(kw_only=True)
class PyramidNeckConfig(PartConfig):
    """Necks that give one level for each of the backbone's, and one that is coarser."""

    channels: int = setting(256, at_least=1)
    # Of the backbone, fine to coarse, none between them left out.
    levels: tuple[BackboneLevel, ...] = setting(
        ("c2", "c3", "c4", "c5"), items=(1, 4), ascending=True
    )

    @property
    def outputs(self) -> tuple[str, ...]:
        """Levels that it gives, p2 for c2. Rois are pooled from all but the last."""
        numbers = [int(level[1:]) for level in self.levels]
        return tuple(f"p{i}" for i in (*numbers, numbers[-1] + 1))


@dataclass(kw_only=True)
class FPNConfig(PyramidNeckConfig):
    """Feature pyramid network."""

    tag: ClassVar[str] = "fpn"

    norm: NeckNorm = "none"
    initializer: NeckInitializer = "xavier"


@dataclass(kw_only=True)
class IEFPNConfig(PyramidNeckConfig):
    """Information-enhanced FPN (IEMask R-CNN sec. 3.1 to 3.3): each module a switch."""

    tag: ClassVar[str] = "iefpn"

    channel_enhancement: bool = True  # CEM: channels of all but the finest are weighted
    global_information: bool = True  # GIM: the coarsest level gets global information
    bottom_up: bool = True
    adaptive_fusion: bool = True  # AFF in the bottom-up path, else a sum
    # GIM beside the lateral, then a convolution (release); or their sum (Eq. 2).
    global_fusion: Literal["concat", "add"] = "concat"
    convolve_p2: bool = False  # N2 is a convolution of P2 (Eq. 9), else P2 (release)
    # AFF is decided by a convolution of P_i (Eq. 12); false: by P_i itself (release).
    convolve_before_fusion: bool = True
    fuse_convolved: bool = False  # that convolution is fused too, else P_i (Eq. 10)


@dataclass(kw_only=True)
class PANetConfig(PyramidNeckConfig):
    """FPN with PANet's bottom-up path (PANet sec. 3.1)."""

    tag: ClassVar[str] = "panet"

    norm: NeckNorm = "none"
    initializer: NeckInitializer = "xavier"


@dataclass(kw_only=True)
class HRFPNConfig(PyramidNeckConfig):
    """HRNet's neck: all resolutions joined at the finest, then pooled."""

    tag: ClassVar[str] = "hrfpn"


NeckConfig = FPNConfig | IEFPNConfig | PANetConfig | HRFPNConfig | PartConfig
