"""Mask R-CNN, R50-FPN, as IEMask R-CNN's tables have it.

IEMask R-CNN, Table 3, row 1, and Table 8 (COCO val2017), Table 5 (test-dev).
`mask_rcnn/detectron2_r50` with the paper's batch of 2. Parameters at 80 classes:
44,343,216.

    tfmask train iemask_rcnn/baseline data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask, recall
from tfmask.configs.iemask_rcnn._base import mask_rcnn, row


def config() -> Config:
    value = mask_rcnn()
    value.published = (
        row(
            "Table 3",
            "1: baseline",
            mask(35.27, 56.45, 37.72, 16.83, 38.18, 50.00),
            line=1,
        ),
        row(
            "Table 5",
            "R50 Mask R-CNN",
            mask(35.5, 56.9, 37.9, 19.7, 37.6, 45.9)
            | recall(30.5, 47.3, 49.5, 30.8, 52.5, 64.0),
            line=1,
            data="COCO test-dev",
        ),
        row("Table 8", "Mask R-CNN", mask(35.27), line=1),
    )
    return value
