"""Mask R-CNN R50-FPN with biased training: mask loss x 1.5 in the first half.

MaskPlus (WACV 2020), Table 5 and Table 6, row biased training (COCO val2017).

    tfmask train maskplus/biased data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.maskplus._base import baseline, bias_towards_masks, row


def config() -> Config:
    value = baseline()
    bias_towards_masks(value)
    value.published = (
        row(
            "Table 5",
            "biased training",
            mask(35.4, 56.7, 37.8, 18.2, 38.5, 48.8),
            line=2,
        ),
        row(
            "Table 6",
            "biased training",
            box(38.6, 60.0, 41.8, 21.7, 42.1, 51.3),
            line=2,
        ),
    )
    return value
