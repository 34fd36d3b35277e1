"""Mask R-CNN R50-FPN with the boundary refinement of Peng et al. (2017).

MaskPlus (WACV 2020), Table 3, row boundary refinement, original (COCO val2017).

    tfmask train maskplus/br_original data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.maskplus._base import baseline, row


def config() -> Config:
    value = baseline()
    value.model.mask.refinement.kind = "original"
    value.published = (
        row(
            "Table 3",
            "boundary refinement, original",
            mask(35.2, 56.6, 37.6, 18.3, 38.2, 48.4),
            line=2,
        ),
    )
    return value
