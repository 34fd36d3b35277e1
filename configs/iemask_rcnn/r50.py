"""IEMask R-CNN, R50.

IEMask R-CNN, Table 3, row 14, Tables 4 and 8 (COCO val2017), Table 5 (test-dev).

    tfmask train iemask_rcnn/r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import mask, recall
from tfmask.configs.iemask_rcnn._base import encoder_decoder, row


def config() -> Config:
    value = encoder_decoder()
    value.published = (
        row(
            "Table 3",
            "14: all",
            mask(37.83, 58.71, 40.85, 19.16, 40.49, 53.97),
            line=14,
        ),
        row("Table 4", "IEMask R-CNN", mask(37.83), line=2),
        row(
            "Table 5",
            "R50 IEMask R-CNN",
            mask(38.1, 59.3, 41.2, 21.3, 40.2, 49.4)
            | recall(31.7, 49.9, 52.5, 33.2, 55.3, 67.5),
            line=5,
            data="COCO test-dev",
        ),
        row("Table 8", "IEMask R-CNN", mask(37.83), line=5),
    )
    value.waits_for = "information-enhanced FPN"
    return value
