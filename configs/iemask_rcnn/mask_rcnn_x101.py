"""Mask R-CNN, X101, as IEMask R-CNN's tables have it.

IEMask R-CNN, Table 5 (COCO test-dev).

    tfmask train iemask_rcnn/mask_rcnn_x101 data.train=... data.val=... \\
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
            "X101 Mask R-CNN",
            mask(39.6, 62.4, 42.6, 23.3, 42.1, 50.7)
            | recall(32.5, 50.2, 52.3, 34.0, 55.5, 66.6),
            line=11,
            data="COCO test-dev",
        ),
    )
    value.waits_for = "ResNeXt-101-32x8d backbone"
    return value
