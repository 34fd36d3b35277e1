"""MS R-CNN, X101, as IEMask R-CNN's tables have it.

IEMask R-CNN, Table 5 (COCO test-dev).

    tfmask train iemask_rcnn/mask_scoring_x101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask, recall
from tfmask.configs.iemask_rcnn._base import mask_scoring, resnext, row


def config() -> Config:
    value = mask_scoring()
    resnext(value)
    value.published = (
        row(
            "Table 5",
            "X101 MS R-CNN",
            mask(39.6, 62.4, 42.7, 23.5, 42.5, 50.4)
            | recall(32.4, 50.2, 52.3, 34.1, 55.6, 66.3),
            line=13,
            data="COCO test-dev",
        ),
    )
    value.waits_for = "ResNeXt-101-32x8d backbone"
    return value
