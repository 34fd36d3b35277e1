"""Mask R-CNN, R101, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_mask_rcnn_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import frequency, mask
from tfmask.configs.iemask_rcnn._base import lvis, mask_rcnn, row


def config() -> Config:
    value = lvis(mask_rcnn())
    value.model.backbone.depth = 101
    value.published = (
        row(
            "Table 7",
            "R101 Mask R-CNN",
            mask(24.76, 38.02, 26.36, 15.19, 33.36, 44.40)
            | frequency(15.62, 23.44, 30.25),
            line=6,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = "LVIS reader"
    return value
