"""PANet, R101, as IEMask R-CNN's tables have it.

IEMask R-CNN, Table 5 (COCO test-dev).

    tfmask train iemask_rcnn/panet_r101 data.train=... data.val=... \\
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
            "R101 PANet",
            mask(38.0, 59.5, 40.9, 20.9, 40.4, 49.4)
            | recall(31.7, 49.5, 51.7, 32.3, 54.9, 66.7),
            line=7,
            data="COCO test-dev",
        ),
    )
    value.waits_for = "PANet"
    return value
