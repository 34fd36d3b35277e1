"""IEMask R-CNN, R50, without the global information module.

IEMask R-CNN, Table 3, row 12, and Table 8 (COCO val2017).

    tfmask train iemask_rcnn/wo_gim data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.iemask_rcnn._base import encoder_decoder, row


def config() -> Config:
    value = encoder_decoder()
    value.published = (
        row(
            "Table 3",
            "12: CEM, bottom-up, AFF, ED",
            mask(37.77, 58.51, 40.85, 18.75, 40.34, 54.35),
            line=12,
        ),
        row("Table 8", "IEMask R-CNN w/o GIM", mask(37.77), line=4),
    )
    value.waits_for = "information-enhanced FPN"
    return value
