"""PANet, R50, as IEMask R-CNN's tables have it.

IEMask R-CNN, Tables 5 (COCO test-dev) and 8 (val2017).

    tfmask train iemask_rcnn/panet_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask, recall
from tfmask.configs.iemask_rcnn._base import mask_rcnn, row


def config() -> Config:
    value = mask_rcnn()
    value.published = (
        row(
            "Table 5",
            "R50 PANet",
            mask(36.5, 57.6, 39.2, 20.2, 38.6, 47.1)
            | recall(30.9, 48.3, 50.6, 31.3, 53.3, 65.1),
            line=2,
            data="COCO test-dev",
        ),
        row("Table 8", "PANet", mask(36.20), line=2),
    )
    value.waits_for = "PANet"
    return value
