"""Mask R-CNN, R50, with GIM of the information-enhanced FPN.

IEMask R-CNN, Table 3, row 3 (COCO val2017).

    tfmask train iemask_rcnn/gim data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.iemask_rcnn._base import mask_rcnn, row


def config() -> Config:
    value = mask_rcnn()
    value.published = (
        row(
            "Table 3", "3: GIM", mask(36.11, 58.21, 38.71, 18.62, 38.76, 51.35), line=3
        ),
    )
    value.waits_for = "information-enhanced FPN"
    return value
