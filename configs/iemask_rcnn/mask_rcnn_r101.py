"""Mask R-CNN, R101, as IEMask R-CNN's tables have it.

IEMask R-CNN, Table 5 (COCO test-dev).

    tfmask train iemask_rcnn/mask_rcnn_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask, recall
from tfmask.configs.iemask_rcnn._base import mask_rcnn, row


def config() -> Config:
    value = mask_rcnn()
    value.model.backbone.depth = 101
    value.published = (
        row(
            "Table 5",
            "R101 Mask R-CNN",
            mask(37.1, 58.9, 39.7, 20.4, 39.7, 48.3)
            | recall(31.3, 48.5, 50.6, 31.2, 54.0, 65.6),
            line=6,
            data="COCO test-dev",
        ),
    )
    return value
