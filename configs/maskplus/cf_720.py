"""Mask R-CNN R50-FPN with contextual fusion of four convolutions, the paper's best.

MaskPlus (WACV 2020), Table 1, row 720-512-512-256 (COCO val2017).

    tfmask train maskplus/cf_720 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.maskplus._base import baseline, row


def config() -> Config:
    value = baseline()
    value.model.mask.context.filters = (720, 512, 512, 256)
    value.published = (
        row(
            "Table 1",
            "720-512-512-256",
            mask(35.5, 57.0, 37.8, 18.5, 38.7, 48.8),
            line=4,
        ),
    )
    return value
