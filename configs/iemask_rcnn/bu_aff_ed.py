"""Mask R-CNN, R50, with bottom-up path, AFF and the encoding-decoding mask head.

IEMask R-CNN, Table 3, row 11 (COCO val2017). The modules of the row are inferred from
the paper's text.

    tfmask train iemask_rcnn/bu_aff_ed data.train=... data.val=... \\
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
            "11: bottom-up, AFF, ED",
            mask(37.13, 57.45, 40.26, 17.54, 39.46, 53.83),
            line=11,
        ),
    )
    value.waits_for = "information-enhanced FPN"
    return value
