"""Mask R-CNN, R101-FPN, as maskrcnn-benchmark trains it (1x).

The baseline of two papers: MR R-CNN and BMask R-CNN (ECCV 2020), Tables 1 (COCO
val2017) and 2 (test-dev) of both. maskrcnn-benchmark's own model zoo has the same AP.
Parameters at 80 classes: 63,287,477.

    tfmask train mask_rcnn/maskrcnn_benchmark_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import row as bmask_row
from tfmask.configs.figures import box, mask
from tfmask.configs.lineages import maskrcnn_benchmark
from tfmask.configs.mr_rcnn._base import row as mr_row


def config() -> Config:
    value = maskrcnn_benchmark()
    value.model.backbone.depth = 101
    name = "Mask R-CNN R101-FPN"
    value.published = (
        mr_row("Table 1", name, box(40.1, 61.8, 44.0) | mask(36.1, 58.2, 38.3), line=3),
        mr_row(
            "Table 2",
            name,
            box(40.2, 61.9, 44.0) | mask(36.2, 58.6, 38.5),
            line=3,
            data="COCO test-dev",
        ),
        bmask_row(
            "Table 1", name, mask(36.1, 58.1, 38.3) | box(40.1, 61.7, 44.0), line=3
        ),
        bmask_row(
            "Table 2",
            name,
            mask(36.2, 58.6, 38.4, 16.4, 38.4, 52.1),
            line=3,
            data="COCO test-dev",
        ),
    )
    return value
