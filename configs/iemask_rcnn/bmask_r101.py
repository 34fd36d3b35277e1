"""BMask R-CNN, R101, as IEMask R-CNN's tables have it.

IEMask R-CNN, Table 5 (COCO test-dev). The paper trained BMask R-CNN's release in its
own setting.

    tfmask train iemask_rcnn/bmask_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask, recall
from tfmask.configs.iemask_rcnn._base import bmask, row


def config() -> Config:
    value = bmask()
    value.model.backbone.depth = 101
    value.published = (
        row(
            "Table 5",
            "R101 BMask R-CNN",
            mask(38.4, 59.3, 41.4, 20.5, 41.0, 50.6)
            | recall(32.3, 50.0, 52.2, 31.3, 55.7, 68.5),
            line=9,
            data="COCO test-dev",
        ),
    )
    return value
