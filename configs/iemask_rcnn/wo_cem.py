"""IEMask R-CNN, R50, without the channel enhancement module.

IEMask R-CNN, Table 3, row 13 (COCO val2017). The modules of the row are inferred from
the paper's text.

    tfmask train iemask_rcnn/wo_cem data.train=... data.val=... \\
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
            "13: GIM, bottom-up, AFF, ED",
            mask(37.79, 59.01, 40.62, 19.06, 40.14, 54.41),
            line=13,
        ),
    )
    value.waits_for = "information-enhanced FPN"
    return value
