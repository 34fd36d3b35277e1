"""IEMask R-CNN, R101, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import frequency, mask
from tfmask.configs.iemask_rcnn._base import encoder_decoder, lvis, row


def config() -> Config:
    value = lvis(encoder_decoder())
    value.model.backbone.depth = 101
    value.published = (
        row(
            "Table 7",
            "R101 IEMask R-CNN",
            mask(27.18, 40.78, 29.05, 16.87, 36.31, 46.59)
            | frequency(18.76, 25.78, 32.46),
            line=10,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = "LVIS reader and information-enhanced FPN"
    return value
