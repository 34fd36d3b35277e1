"""IEMask R-CNN, R50, without adaptive feature fusion.

IEMask R-CNN, Table 3, row 10, and Table 4 (COCO val2017).

    tfmask train iemask_rcnn/wo_aff data.train=... data.val=... \\
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
            "10: CEM, GIM, bottom-up, ED",
            mask(37.80, 59.09, 40.85, 18.93, 40.63, 53.49),
            line=10,
        ),
        row("Table 4", "w/o AFF", mask(37.80), line=1),
    )
    value.waits_for = "information-enhanced FPN"
    return value
