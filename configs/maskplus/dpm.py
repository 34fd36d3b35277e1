"""Mask R-CNN R50-FPN with the deconvolutional pyramid module.

MaskPlus (WACV 2020), Table 2, row deconvolutional pyramid (COCO val2017).

    tfmask train maskplus/dpm data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.maskplus._base import baseline, row


def config() -> Config:
    value = baseline()
    value.model.mask.pyramid.enabled = True
    value.published = (
        row(
            "Table 2",
            "deconvolutional pyramid",
            mask(35.4, 56.9, 37.6, 18.8, 38.6, 48.3),
            line=2,
        ),
    )
    return value
