"""Mask R-CNN, R50, on Cityscapes.

IEMask R-CNN, Table 6 (Cityscapes val), averages over the classes.

    tfmask train iemask_rcnn/cityscapes_mask_rcnn_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.iemask_rcnn._base import cityscapes, mask_rcnn, row


def config() -> Config:
    value = cityscapes(mask_rcnn())
    value.published = (
        row("Table 6", "Mask R-CNN", mask(32.7, 58.8), line=1, data="Cityscapes val"),
    )
    value.waits_for = "Cityscapes reader"
    return value
