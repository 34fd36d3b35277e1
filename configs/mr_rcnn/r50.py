"""MR R-CNN, R50-FPN: the refining module with shape-aware RoIAlign, alpha 1.

MR R-CNN, Tables 1 to 5 (COCO val2017; Table 2: test-dev). Starts from the trained Mask
R-CNN `mask_rcnn/maskrcnn_benchmark_r50`.

    tfmask train mr_rcnn/r50 data.train=... data.val=... \\
        model.weights=runs/maskrcnn_benchmark_r50
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.mr_rcnn._base import mr_rcnn, row


def config() -> Config:
    value = mr_rcnn()
    value.published = (
        row(
            "Table 1",
            "MR R-CNN R50-FPN",
            box(39.5, 60.3, 43.2) | mask(35.4, 57.0, 37.7),
            line=2,
        ),
        row(
            "Table 2",
            "MR R-CNN R50-FPN",
            box(39.9, 60.9, 43.5) | mask(35.6, 57.7, 38.0),
            line=2,
            data="COCO test-dev",
        ),
        row("Table 3", "R50-FPN, RM + SARA", box(39.5) | mask(35.4), line=3),
        row("Table 4", "R50-FPN, CLS + REG", box(39.5) | mask(35.4), line=4),
        row("Table 5", "alpha 1", box(39.5) | mask(35.4), line=5),
    )
    return value
