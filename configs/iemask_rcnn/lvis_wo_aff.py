"""IEMask R-CNN, R50, without adaptive feature fusion, on LVIS.

IEMask R-CNN, Table 4 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_wo_aff data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.iemask_rcnn._base import encoder_decoder, lvis, row


def config() -> Config:
    value = lvis(encoder_decoder())
    value.published = (
        row("Table 4", "w/o AFF", mask(24.13), line=5, data="LVIS v1.0 val"),
    )
    value.waits_for = "LVIS reader and information-enhanced FPN"
    return value
