"""MaskPlus, R101-FPN: all five techniques in the paper's best settings.

MaskPlus (WACV 2020), Table 7, row MaskPlus (COCO test-dev).

    tfmask train maskplus/maskplus_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.maskplus._base import maskplus, row


def config() -> Config:
    value = maskplus()
    value.model.backbone.depth = 101
    value.published = (
        row(
            "Table 7",
            "MaskPlus",
            mask(38.1, 59.9, 41.0, 20.2, 40.8, 50.4),
            line=2,
            data="COCO test-dev",
        ),
    )
    return value
