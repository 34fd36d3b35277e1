"""MS R-CNN, R50, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_mask_scoring_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import frequency, mask
from tfmask.configs.iemask_rcnn._base import lvis, mask_scoring, row


def config() -> Config:
    value = lvis(mask_scoring())
    value.published = (
        row(
            "Table 7",
            "R50 MS R-CNN",
            mask(22.26, 34.99, 23.50, 14.02, 30.41, 40.45)
            | frequency(10.86, 21.06, 28.61),
            line=3,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = "LVIS reader"
    return value
