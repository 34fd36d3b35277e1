"""PANet, R101, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_panet_r101 data.train=... data.val=... \\
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
            "R101 PANet",
            mask(25.19, 38.11, 26.81, 15.90, 33.67, 44.22)
            | frequency(14.61, 24.05, 31.10),
            line=7,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = "LVIS reader and PANet"
    return value
