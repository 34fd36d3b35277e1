"""Mask R-CNN R50-FPN with MaskPlus's densely connected boundary refinement.

MaskPlus (WACV 2020), Table 3, row boundary refinement, improved (COCO val2017).

    tfmask train maskplus/ibr data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.maskplus._base import baseline, row


def config() -> Config:
    value = baseline()
    value.model.mask.refinement.kind = "improved"
    value.published = (
        row(
            "Table 3",
            "boundary refinement, improved",
            mask(35.5, 56.9, 38.0, 18.3, 38.8, 49.1),
            line=3,
        ),
    )
    return value
