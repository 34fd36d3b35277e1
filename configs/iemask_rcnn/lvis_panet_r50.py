"""PANet, R50, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_panet_r50 data.train=... data.val=... \\
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
            "R50 PANet",
            mask(23.13, 35.38, 24.58, 14.10, 31.20, 41.89)
            | frequency(12.52, 21.52, 29.59),
            line=2,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = "LVIS reader and PANet"
    return value
