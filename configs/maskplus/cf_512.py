"""Mask R-CNN R50-FPN with contextual fusion as the text of MaskPlus first has it.

MaskPlus (WACV 2020), section 3.1. It is in none of the paper's tables: the best of
Table 1 is `maskplus/cf_720`.

    tfmask train maskplus/cf_512 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.maskplus._base import baseline


def config() -> Config:
    value = baseline()
    value.model.mask.context.filters = (512, 256, 256)
    return value
