"""IEMask R-CNN, R50, without adaptive feature fusion, on Cityscapes.

IEMask R-CNN, Table 4 (Cityscapes val).

    tfmask train iemask_rcnn/cityscapes_wo_aff data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.iemask_rcnn._base import cityscapes, encoder_decoder, row


def config() -> Config:
    value = cityscapes(encoder_decoder())
    value.published = (
        row("Table 4", "w/o AFF", mask(35.80), line=3, data="Cityscapes val"),
    )
    value.waits_for = "Cityscapes reader and information-enhanced FPN"
    return value
