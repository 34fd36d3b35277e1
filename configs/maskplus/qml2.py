"""Mask R-CNN R50-FPN with a quasi-multitask branch of twice the resolution.

MaskPlus (WACV 2020), Table 4, row quasi-multitask 2x (COCO val2017).

    tfmask train maskplus/qml2 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.maskplus._base import baseline, row


def config() -> Config:
    value = baseline()
    value.model.mask.quasi.sizes = (2.0,)
    value.published = (
        row(
            "Table 4",
            "quasi-multitask 2x",
            mask(35.2, 56.5, 37.5, 18.5, 38.3, 48.4),
            line=4,
        ),
    )
    return value
