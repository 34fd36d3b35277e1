"""Mask R-CNN, R101-FPN, as maskrcnn-benchmark trains it (1x).

MR R-CNN, Table 1, row R101 (COCO val2017): the baseline of that paper; the same AP
stands in BMask R-CNN, Table 1. Parameters at 80 classes: 63,287,477.

    tfmask train mask_rcnn/maskrcnn_benchmark_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.lineages import maskrcnn_benchmark


def config() -> Config:
    value = maskrcnn_benchmark()
    value.model.backbone.depth = 101
    value.published = {
        "box/AP": 40.1,
        "box/AP50": 61.8,
        "box/AP75": 44.0,
        "mask/AP": 36.1,
        "mask/AP50": 58.2,
        "mask/AP75": 38.3,
    }
    return value
