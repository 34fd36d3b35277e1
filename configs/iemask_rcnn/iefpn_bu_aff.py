"""Mask R-CNN, R50, with the whole information-enhanced FPN and the plain mask head.

IEMask R-CNN, Table 3, row 9 (COCO val2017). The modules of the row are inferred from
the paper's text.

    tfmask train iemask_rcnn/iefpn_bu_aff data.train=... data.val=... \\
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
            "9: CEM, GIM, bottom-up, AFF",
            mask(36.27, 57.96, 38.50, 18.05, 38.75, 52.39),
            line=9,
        ),
    )
    value.waits_for = "information-enhanced FPN"
    return value
