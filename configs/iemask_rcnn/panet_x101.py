"""PANet, X101, as IEMask R-CNN's tables have it.

IEMask R-CNN, Table 5 (COCO test-dev).

    tfmask train iemask_rcnn/panet_x101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask, recall
from tfmask.configs.iemask_rcnn._base import mask_rcnn, resnext, row


def config() -> Config:
    value = mask_rcnn()
    resnext(value)
    value.published = (
        row(
            "Table 5",
            "X101 PANet",
            mask(40.2, 62.7, 43.5, 23.8, 42.9, 51.3)
            | recall(32.7, 50.9, 53.1, 34.7, 56.2, 67.4),
            line=12,
            data="COCO test-dev",
        ),
    )
    value.waits_for = "ResNeXt-101-32x8d backbone and PANet"
    return value
