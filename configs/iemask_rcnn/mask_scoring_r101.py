"""MS R-CNN, R101, as IEMask R-CNN's tables have it.

IEMask R-CNN, Table 5 (COCO test-dev).

    tfmask train iemask_rcnn/mask_scoring_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask, recall
from tfmask.configs.iemask_rcnn._base import mask_scoring, row


def config() -> Config:
    value = mask_scoring()
    value.model.backbone.depth = 101
    value.published = (
        row(
            "Table 5",
            "R101 MS R-CNN",
            mask(37.2, 59.0, 39.9, 20.6, 39.7, 48.2)
            | recall(31.4, 48.5, 50.6, 31.2, 54.1, 65.0),
            line=8,
            data="COCO test-dev",
        ),
    )
    return value
