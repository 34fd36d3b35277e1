"""Mask R-CNN, X101-32x8d-FPN, as maskrcnn-benchmark trains it (1x).

MR R-CNN, Tables 1 (COCO val2017) and 2 (test-dev): a baseline of that paper.

    tfmask train mask_rcnn/maskrcnn_benchmark_x101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.mr_rcnn._base import mask_rcnn_x101, row


def config() -> Config:
    value = mask_rcnn_x101()
    name = "Mask R-CNN X101-32x8d-FPN"
    value.published = (
        row("Table 1", name, box(42.2, 64.0, 46.1) | mask(37.8, 60.6, 40.2), line=5),
        row(
            "Table 2",
            name,
            box(42.6, 64.9, 46.6) | mask(38.3, 61.6, 40.8),
            line=5,
            data="COCO test-dev",
        ),
    )
    value.waits_for = "ResNeXt-101-32x8d backbone"
    return value
