"""Mask R-CNN, R50, with the bottom-up path of the information-enhanced FPN.

IEMask R-CNN, Table 3, row 5 (COCO val2017). The modules of the row are inferred from
the paper's text.

    tfmask train iemask_rcnn/bu data.train=... data.val=... \\
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
            "5: bottom-up",
            mask(35.61, 56.51, 38.10, 16.95, 37.95, 51.51),
            line=5,
        ),
    )
    value.waits_for = "information-enhanced FPN"
    return value
