"""MS R-CNN, R50, on Cityscapes.

IEMask R-CNN, Table 6 (Cityscapes val), averages over the classes.

    tfmask train iemask_rcnn/cityscapes_mask_scoring_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.iemask_rcnn._base import cityscapes, mask_scoring, row


def config() -> Config:
    value = cityscapes(mask_scoring())
    value.published = (
        row("Table 6", "MS R-CNN", mask(33.7, 59.4), line=3, data="Cityscapes val"),
    )
    value.waits_for = "Cityscapes reader"
    return value
