"""IEMask R-CNN, R50, on LVIS.

IEMask R-CNN, Tables 4 and 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import frequency, mask
from tfmask.configs.iemask_rcnn._base import encoder_decoder, lvis, row


def config() -> Config:
    value = lvis(encoder_decoder())
    value.published = (
        row(
            "Table 7",
            "R50 IEMask R-CNN",
            mask(25.61, 38.32, 26.76, 15.77, 34.00, 44.13)
            | frequency(14.30, 24.00, 31.24),
            line=5,
            data="LVIS v1.0 val",
        ),
        row("Table 4", "IEMask R-CNN", mask(25.61), line=6, data="LVIS v1.0 val"),
    )
    value.waits_for = "LVIS reader and information-enhanced FPN"
    return value
