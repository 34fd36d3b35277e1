"""MS R-CNN, R101, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_mask_scoring_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import frequency, mask
from tfmask.configs.iemask_rcnn._base import lvis, mask_scoring, row


def config() -> Config:
    value = lvis(mask_scoring())
    value.model.backbone.depth = 101
    value.published = (
        row(
            "Table 7",
            "R101 MS R-CNN",
            mask(24.66, 37.93, 26.35, 15.29, 33.01, 43.27)
            | frequency(14.84, 23.55, 30.23),
            line=8,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = "LVIS reader"
    return value
