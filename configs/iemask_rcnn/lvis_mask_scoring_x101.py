"""MS R-CNN, X101, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_mask_scoring_x101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import frequency, mask
from tfmask.configs.iemask_rcnn._base import lvis, mask_scoring, resnext, row


def config() -> Config:
    value = lvis(mask_scoring())
    resnext(value)
    value.published = (
        row(
            "Table 7",
            "X101 MS R-CNN",
            mask(26.03, 39.60, 27.73, 16.65, 34.65, 44.87)
            | frequency(15.41, 24.89, 31.97),
            line=13,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = "LVIS reader and ResNeXt-101-32x8d backbone"
    return value
