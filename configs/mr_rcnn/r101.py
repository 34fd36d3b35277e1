"""MR R-CNN, R101-FPN: the refining module with shape-aware RoIAlign, alpha 1.

MR R-CNN, Tables 1 to 4 (COCO val2017; Table 2: test-dev). Starts from the trained Mask
R-CNN `mask_rcnn/maskrcnn_benchmark_r101`.

    tfmask train mr_rcnn/r101 data.train=... data.val=... \\
        model.weights=runs/maskrcnn_benchmark_r101
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.mr_rcnn._base import mr_rcnn, row


def config() -> Config:
    value = mr_rcnn(101)
    value.published = (
        row(
            "Table 1",
            "MR R-CNN R101-FPN",
            box(41.4, 62.4, 45.5) | mask(37.1, 59.1, 39.7),
            line=4,
        ),
        row(
            "Table 2",
            "MR R-CNN R101-FPN",
            box(41.5, 62.8, 45.4) | mask(37.2, 59.7, 39.7),
            line=4,
            data="COCO test-dev",
        ),
        row("Table 3", "R101-FPN, RM + SARA", box(41.4) | mask(37.1), line=6),
        row("Table 4", "R101-FPN, CLS + REG", box(41.4) | mask(37.1), line=8),
    )
    return value
