"""PANet, X101, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_panet_x101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import frequency, mask
from tfmask.configs.iemask_rcnn._base import lvis, mask_rcnn, resnext, row


def config() -> Config:
    value = lvis(mask_rcnn())
    resnext(value)
    value.published = (
        row(
            "Table 7",
            "X101 PANet",
            mask(26.55, 39.78, 28.42, 16.91, 35.59, 45.78)
            | frequency(15.19, 25.39, 32.85),
            line=12,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = "LVIS reader, ResNeXt-101-32x8d backbone and PANet"
    return value
