"""IEMask R-CNN, R101.

IEMask R-CNN, Table 5 (COCO test-dev).

    tfmask train iemask_rcnn/r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask, recall
from tfmask.configs.iemask_rcnn._base import encoder_decoder, row


def config() -> Config:
    value = encoder_decoder()
    value.model.backbone.depth = 101
    value.published = (
        row(
            "Table 5",
            "R101 IEMask R-CNN",
            mask(39.3, 61.1, 42.4, 21.9, 41.8, 51.2)
            | recall(32.4, 50.7, 53.2, 33.4, 56.4, 68.7),
            line=10,
            data="COCO test-dev",
        ),
    )
    value.waits_for = "information-enhanced FPN"
    return value
