"""Mask R-CNN, R50, with the bottom-up path and AFF of the information-enhanced FPN.

IEMask R-CNN, Table 3, row 6 (COCO val2017).

    tfmask train iemask_rcnn/bu_aff data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.iemask_rcnn._base import mask_rcnn, row


def config() -> Config:
    value = mask_rcnn()
    value.published = (
        row(
            "Table 3",
            "6: bottom-up, AFF",
            mask(35.64, 56.48, 38.23, 16.59, 38.17, 51.52),
            line=6,
        ),
    )
    value.waits_for = "information-enhanced FPN"
    return value
