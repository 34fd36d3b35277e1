"""Mask R-CNN, R50, with CEM and GIM of the information-enhanced FPN.

IEMask R-CNN, Table 3, row 4 (COCO val2017).

    tfmask train iemask_rcnn/iefpn data.train=... data.val=... \\
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
            "4: CEM, GIM",
            mask(35.79, 57.41, 38.25, 17.54, 38.50, 51.58),
            line=4,
        ),
    )
    value.waits_for = "information-enhanced FPN"
    return value
