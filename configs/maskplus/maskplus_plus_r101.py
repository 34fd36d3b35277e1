"""MaskPlus+, R101-FPN: MaskPlus on Cascade R-CNN, trained half as long again.

MaskPlus (WACV 2020), Table 7, row MaskPlus+ (COCO test-dev).

    tfmask train maskplus/maskplus_plus_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.maskplus._base import maskplus, row


def config() -> Config:
    value = maskplus()
    value.model.backbone.depth = 101
    value.train.steps = 540000
    value.train.decay_at = (420000, 500000)
    value.published = (
        row(
            "Table 7",
            "MaskPlus+",
            mask(40.9, 63.0, 44.5, 23.5, 43.6, 52.3),
            line=3,
            data="COCO test-dev",
        ),
    )
    value.waits_for = "Cascade R-CNN box stages"
    return value
