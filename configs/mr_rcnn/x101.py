"""MR R-CNN, X101-32x8d-FPN: the refining module with shape-aware RoIAlign, alpha 1.

MR R-CNN, Tables 1 to 4 (COCO val2017; Table 2: test-dev). Starts from the trained Mask
R-CNN `mask_rcnn/maskrcnn_benchmark_x101`.

    tfmask train mr_rcnn/x101 data.train=... data.val=... \\
        model.weights=runs/maskrcnn_benchmark_x101
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.mr_rcnn._base import mr_rcnn_x101, row


def config() -> Config:
    value = mr_rcnn_x101()
    value.published = (
        row(
            "Table 1",
            "MR R-CNN X101-32x8d-FPN",
            box(43.6, 64.6, 47.9) | mask(38.8, 61.4, 41.5),
            line=6,
        ),
        row(
            "Table 2",
            "MR R-CNN X101-32x8d-FPN",
            box(44.1, 65.7, 48.3) | mask(39.3, 62.6, 42.0),
            line=6,
            data="COCO test-dev",
        ),
        row("Table 3", "X101-32x8d-FPN, RM + SARA", box(43.6) | mask(38.8), line=9),
        row("Table 4", "X101-32x8d-FPN, CLS + REG", box(43.6) | mask(38.8), line=12),
    )
    value.waits_for = "ResNeXt-101-32x8d backbone"
    return value
