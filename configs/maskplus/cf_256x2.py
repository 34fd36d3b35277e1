"""Mask R-CNN R50-FPN with contextual fusion of two convolutions.

MaskPlus (WACV 2020), Table 1, row 256-256 (COCO val2017).

    tfmask train maskplus/cf_256x2 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.maskplus._base import baseline, row


def config() -> Config:
    value = baseline()
    value.model.mask.context.filters = (256, 256)
    value.published = (
        row("Table 1", "256-256", mask(35.3, 56.7, 37.6, 18.6, 38.6, 48.6), line=2),
    )
    return value
