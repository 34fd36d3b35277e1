"""MS R-CNN, R50, as IEMask R-CNN's tables have it.

IEMask R-CNN, Table 5 (COCO test-dev).

    tfmask train iemask_rcnn/mask_scoring_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask, recall
from tfmask.configs.iemask_rcnn._base import mask_scoring, row


def config() -> Config:
    value = mask_scoring()
    value.published = (
        row(
            "Table 5",
            "R50 MS R-CNN",
            mask(35.7, 57.1, 38.1, 19.8, 37.7, 46.3)
            | recall(30.6, 47.4, 49.5, 30.9, 52.5, 63.9),
            line=3,
            data="COCO test-dev",
        ),
    )
    return value
