"""IEMask R-CNN, X101.

IEMask R-CNN, Table 5 (COCO test-dev).

    tfmask train iemask_rcnn/x101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask, recall
from tfmask.configs.iemask_rcnn._base import encoder_decoder, resnext, row


def config() -> Config:
    value = encoder_decoder()
    resnext(value)
    value.published = (
        row(
            "Table 5",
            "X101 IEMask R-CNN",
            mask(41.4, 63.9, 45.0, 24.9, 43.8, 53.3)
            | recall(33.3, 52.2, 54.5, 35.9, 57.6, 69.6),
            line=15,
            data="COCO test-dev",
        ),
    )
    value.waits_for = "ResNeXt-101-32x8d backbone and information-enhanced FPN"
    return value
