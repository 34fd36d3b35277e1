"""BMask R-CNN, R50, as IEMask R-CNN's tables have it.

IEMask R-CNN, Tables 5 (COCO test-dev) and 8 (val2017). The paper trained BMask R-CNN's
release in its own setting.

    tfmask train iemask_rcnn/bmask_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask, recall
from tfmask.configs.iemask_rcnn._base import bmask, row


def config() -> Config:
    value = bmask()
    value.published = (
        row(
            "Table 5",
            "R50 BMask R-CNN",
            mask(36.6, 57.2, 39.5, 19.5, 38.7, 48.0)
            | recall(31.3, 48.7, 50.9, 30.7, 54.0, 66.4),
            line=4,
            data="COCO test-dev",
        ),
        row("Table 8", "BMask R-CNN", mask(36.30), line=3),
    )
    return value
