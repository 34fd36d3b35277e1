"""BMask R-CNN, R50, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_bmask_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import frequency, mask
from tfmask.configs.iemask_rcnn._base import bmask, lvis, row


def config() -> Config:
    value = lvis(bmask())
    value.published = (
        row(
            "Table 7",
            "R50 BMask R-CNN",
            mask(22.95, 34.69, 24.18, 13.52, 31.61, 43.32)
            | frequency(12.07, 21.40, 29.47),
            line=4,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = "LVIS reader"
    return value
