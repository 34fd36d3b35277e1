"""Mask R-CNN, R50-FPN, with the encoding-decoding mask head.

IEMask R-CNN, Table 3, row 7 (COCO val2017).

    tfmask train iemask_rcnn/ed data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.iemask_rcnn._base import encoder_decoder, row


def config() -> Config:
    value = encoder_decoder()
    value.published = (
        row("Table 3", "7: ED", mask(36.85, 57.08, 39.82, 17.51, 39.40, 53.43), line=7),
    )
    return value
