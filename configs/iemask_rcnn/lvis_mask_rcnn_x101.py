"""Mask R-CNN, X101, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_mask_rcnn_x101 data.train=... data.val=... \\
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
            "X101 Mask R-CNN",
            mask(25.73, 39.32, 27.24, 16.76, 34.49, 44.14)
            | frequency(14.58, 24.48, 32.01),
            line=11,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = "LVIS reader and ResNeXt-101-32x8d backbone"
    return value
