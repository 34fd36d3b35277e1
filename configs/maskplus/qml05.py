"""Mask R-CNN R50-FPN with a quasi-multitask branch of half the resolution.

MaskPlus (WACV 2020), Table 4, row quasi-multitask 0.5x (COCO val2017).

    tfmask train maskplus/qml05 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.maskplus._base import baseline, row


def config() -> Config:
    value = baseline()
    value.model.mask.quasi.sizes = (0.5,)
    value.published = (
        row(
            "Table 4",
            "quasi-multitask 0.5x",
            mask(35.4, 56.7, 37.7, 18.4, 38.6, 48.7),
            line=3,
        ),
    )
    return value
