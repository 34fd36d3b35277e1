"""IEMask R-CNN, X101, on LVIS.

IEMask R-CNN, Table 7 (LVIS v1.0 val).

    tfmask train iemask_rcnn/lvis_x101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import frequency, mask
from tfmask.configs.iemask_rcnn._base import encoder_decoder, lvis, resnext, row


def config() -> Config:
    value = lvis(encoder_decoder())
    resnext(value)
    value.published = (
        row(
            "Table 7",
            "X101 IEMask R-CNN",
            mask(27.91, 41.24, 29.66, 17.99, 37.02, 47.60)
            | frequency(17.50, 26.63, 33.90),
            line=15,
            data="LVIS v1.0 val",
        ),
    )
    value.waits_for = (
        "LVIS reader, ResNeXt-101-32x8d backbone and information-enhanced FPN"
    )
    return value
