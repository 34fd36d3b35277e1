"""Mask R-CNN, R50-FPN, as maskrcnn-benchmark trains it (1x).

MR R-CNN, Table 1, row R50 (COCO val2017): the baseline of that paper; the same AP
stands in BMask R-CNN, Table 1, and in maskrcnn-benchmark's own model zoo. Parameters
at 80 classes: 44,347,573.

    tfmask train mask_rcnn/maskrcnn_benchmark_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.lineages import maskrcnn_benchmark


def config() -> Config:
    value = maskrcnn_benchmark()
    value.published = {
        "box/AP": 37.8,
        "box/AP50": 59.1,
        "box/AP75": 41.0,
        "mask/AP": 34.2,
        "mask/AP50": 55.6,
        "mask/AP75": 36.5,
    }
    return value
