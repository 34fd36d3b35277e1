"""Mask R-CNN R50-FPN with contextual fusion of three convolutions.

MaskPlus (WACV 2020), Table 1, row 256-256-256 (COCO val2017).

    tfmask train maskplus/cf_256x3 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.maskplus._base import baseline, row


def config() -> Config:
    value = baseline()
    value.model.mask.context.filters = (256, 256, 256)
    value.published = (
        row("Table 1", "256-256-256", mask(35.4, 56.9, 37.7, 18.4, 38.5, 48.7), line=3),
    )
    return value
