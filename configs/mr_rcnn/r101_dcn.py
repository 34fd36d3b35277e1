"""MR R-CNN, R101-FPN with deformable convolutions in the backbone.

MR R-CNN, Table 2 (COCO test-dev).

    tfmask train mr_rcnn/r101_dcn data.train=... data.val=... \\
        model.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.mr_rcnn._base import mr_rcnn, row


def config() -> Config:
    value = mr_rcnn(101)
    value.published = (
        row(
            "Table 2",
            "MR R-CNN R101-DCN-FPN",
            box(44.1, 65.5, 48.2) | mask(39.7, 62.6, 42.7),
            line=7,
            data="COCO test-dev",
        ),
    )
    value.waits_for = "deformable convolutions"
    return value
