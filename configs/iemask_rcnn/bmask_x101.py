"""BMask R-CNN, X101, as IEMask R-CNN's tables have it.

IEMask R-CNN, Table 5 (COCO test-dev). The paper trained BMask R-CNN's release in its
own setting.

    tfmask train iemask_rcnn/bmask_x101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask, recall
from tfmask.configs.iemask_rcnn._base import bmask, resnext, row


def config() -> Config:
    value = bmask()
    resnext(value)
    value.published = (
        row(
            "Table 5",
            "X101 BMask R-CNN",
            mask(40.6, 62.4, 43.9, 23.0, 43.4, 52.6)
            | recall(33.2, 51.4, 53.5, 33.7, 56.9, 69.2),
            line=14,
            data="COCO test-dev",
        ),
    )
    value.waits_for = "ResNeXt-101-32x8d backbone"
    return value
