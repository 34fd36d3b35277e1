"""Published figures by the names that evaluation gives them.

mask(35.3, 56.7, 37.6)    {"mask/AP": 35.3, "mask/AP50": 56.7, "mask/AP75": 37.6}
"""

_PRECISION = ("AP", "AP50", "AP75", "APs", "APm", "APl")
_RECALL = ("AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
_FREQUENCY = ("APr", "APc", "APf")


def mask(*values: float) -> dict[str, float]:
    """The first one, three or six of AP, AP50, AP75, APs, APm, APl of masks."""
    return _named("mask", _PRECISION, values)


def box(*values: float) -> dict[str, float]:
    """The first one, three or six of AP, AP50, AP75, APs, APm, APl of boxes."""
    return _named("box", _PRECISION, values)


def recall(*values: float) -> dict[str, float]:
    """AR1, AR10, AR100, ARs, ARm, ARl of masks."""
    return _named("mask", _RECALL, values)


def frequency(*values: float) -> dict[str, float]:
    """LVIS: mask AP of rare, common and frequent classes."""
    return _named("mask", _FREQUENCY, values)


def _named(kind, names, values):
    return {f"{kind}/{name}": float(value) for name, value in zip(names, values)}
