"""BMask R-CNN, R50, on Cityscapes.

IEMask R-CNN, Table 6 (Cityscapes val), averages over the classes.

    tfmask train iemask_rcnn/cityscapes_bmask_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.iemask_rcnn._base import bmask, cityscapes, row


def config() -> Config:
    value = cityscapes(bmask())
    value.published = (
        row("Table 6", "BMask R-CNN", mask(35.6, 60.6), line=4, data="Cityscapes val"),
    )
    value.waits_for = "Cityscapes reader"
    return value
