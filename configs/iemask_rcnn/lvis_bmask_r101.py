"""BMask R-CNN, R101, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_bmask_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import frequency, mask
from tfmask.configs.iemask_rcnn._base import bmask, lvis, row


def config() -> Config:
    value = lvis(bmask())
    value.model.backbone.depth = 101
    value.published = (
        row(
            "Table 7",
            "R101 BMask R-CNN",
            mask(25.60, 38.24, 27.28, 15.53, 34.46, 45.97)
            | frequency(16.51, 24.03, 31.35),
            line=9,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = "LVIS reader"
    return value
