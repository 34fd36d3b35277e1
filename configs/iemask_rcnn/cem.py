"""Mask R-CNN, R50, with CEM of the information-enhanced FPN.

IEMask R-CNN, Table 3, row 2 (COCO val2017).

    tfmask train iemask_rcnn/cem data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask
from tfmask.configs.iemask_rcnn._base import mask_rcnn, row


def config() -> Config:
    value = mask_rcnn()
    value.published = (
        row(
            "Table 3", "2: CEM", mask(35.97, 57.48, 38.42, 17.73, 38.63, 51.83), line=2
        ),
    )
    value.waits_for = "information-enhanced FPN"
    return value
