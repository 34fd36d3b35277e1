"""IEMask R-CNN, R50, on Cityscapes.

IEMask R-CNN, Tables 4 and 6 (Cityscapes val); the two tables have different figures of
it.

    tfmask train iemask_rcnn/cityscapes_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.iemask_rcnn._base import cityscapes, encoder_decoder, row


def config() -> Config:
    value = cityscapes(encoder_decoder())
    value.published = (
        row("Table 6", "IEMask R-CNN", mask(36.7, 62.3), line=5, data="Cityscapes val"),
        row("Table 4", "IEMask R-CNN", mask(36.24), line=4, data="Cityscapes val"),
    )
    value.waits_for = "Cityscapes reader and information-enhanced FPN"
    return value
