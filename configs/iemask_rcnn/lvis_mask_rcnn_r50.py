"""Mask R-CNN, R50, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_mask_rcnn_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import frequency, mask
from tfmask.configs.iemask_rcnn._base import lvis, mask_rcnn, row


def config() -> Config:
    value = lvis(mask_rcnn())
    value.published = (
        row(
            "Table 7",
            "R50 Mask R-CNN",
            mask(22.44, 34.94, 23.79, 13.94, 30.65, 40.59)
            | frequency(11.45, 21.24, 28.63),
            line=1,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = "LVIS reader"
    return value
