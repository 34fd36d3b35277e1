"""Mask R-CNN, R50-FPN, as maskrcnn-benchmark trains it (1x).

The baseline of two papers: MR R-CNN and BMask R-CNN (ECCV 2020), Tables 1 (COCO
val2017) and 2 (test-dev) of both. maskrcnn-benchmark's own model zoo has the same AP.
Parameters at 80 classes: 44,347,573.

    tfmask train mask_rcnn/maskrcnn_benchmark_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import row as bmask_row
from tfmask.configs.figures import box, mask
from tfmask.configs.lineages import maskrcnn_benchmark
from tfmask.configs.mr_rcnn._base import row as mr_row


def config() -> Config:
    value = maskrcnn_benchmark()
    name = "Mask R-CNN R50-FPN"
    value.published = (
        mr_row("Table 1", name, box(37.8, 59.1, 41.0) | mask(34.2, 55.6, 36.5), line=1),
        mr_row(
            "Table 2",
            name,
            box(38.0, 59.7, 41.5) | mask(34.6, 56.5, 36.6),
            line=1,
            data="COCO test-dev",
        ),
        bmask_row(
            "Table 1", name, mask(34.2, 56.0, 36.3) | box(37.8, 59.2, 41.1), line=1
        ),
        bmask_row(
            "Table 2",
            name,
            mask(34.6, 56.5, 36.6, 15.4, 36.3, 49.7),
            line=1,
            data="COCO test-dev",
        ),
    )
    return value
