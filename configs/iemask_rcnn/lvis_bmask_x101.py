"""BMask R-CNN, X101, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_bmask_x101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import frequency, mask
from tfmask.configs.iemask_rcnn._base import bmask, lvis, resnext, row


def config() -> Config:
    value = lvis(bmask())
    resnext(value)
    value.published = (
        row(
            "Table 7",
            "X101 BMask R-CNN",
            mask(25.85, 38.22, 27.55, 15.51, 35.33, 46.40)
            | frequency(13.11, 24.56, 32.90),
            line=14,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = "LVIS reader and ResNeXt-101-32x8d backbone"
    return value
