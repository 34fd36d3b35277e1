"""Mask R-CNN, R50, with some of the information-enhanced FPN and its bottom-up path.

IEMask R-CNN, Table 3, row 8 (COCO val2017). Which modules it has does not follow from
the text: both of CEM and GIM with the bottom-up path, or one of them with the bottom-up
path and AFF.

    tfmask train iemask_rcnn/row_8 data.train=... data.val=... \\
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
            "8: bottom-up and others",
            mask(36.06, 57.53, 38.18, 17.80, 38.68, 52.13),
            line=8,
        ),
    )
    value.waits_for = "information-enhanced FPN"
    return value
