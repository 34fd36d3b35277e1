"""Mask R-CNN R50-FPN with masks of 14x14: the mask head without its deconvolution.

MaskPlus (WACV 2020), Table 4, row 0.5x mask (COCO val2017).

    tfmask train maskplus/mask05x data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.maskplus._base import baseline, row


def config() -> Config:
    value = baseline()
    value.model.mask.upsample = False
    value.published = (
        row("Table 4", "0.5x mask", mask(34.3, 56.4, 36.7, 17.9, 37.7, 46.4), line=2),
    )
    return value
