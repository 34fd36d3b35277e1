"""PANet, R50, on Cityscapes.

IEMask R-CNN, Table 6 (Cityscapes val), averages over the classes.

    tfmask train iemask_rcnn/cityscapes_panet_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.iemask_rcnn._base import cityscapes, mask_rcnn, row


def config() -> Config:
    value = cityscapes(mask_rcnn())
    value.published = (
        row("Table 6", "PANet", mask(34.7, 60.7), line=2, data="Cityscapes val"),
    )
    value.waits_for = "Cityscapes reader and PANet"
    return value
