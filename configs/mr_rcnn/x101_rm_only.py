"""MR R-CNN, X101-32x8d-FPN, whose refining module has the plain RoIAlign.

MR R-CNN, Table 3 (COCO val2017). Starts from the trained Mask R-CNN
`mask_rcnn/maskrcnn_benchmark_x101`.

    tfmask train mr_rcnn/x101_rm_only data.train=... data.val=... \\
        model.weights=runs/maskrcnn_benchmark_x101
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.mr_rcnn._base import mr_rcnn_x101, row


def config() -> Config:
    value = mr_rcnn_x101()
    value.model.refine.pooling = "plain"
    value.published = (
        row("Table 3", "X101-32x8d-FPN, RM", box(42.7) | mask(38.3), line=8),
    )
    value.waits_for = "ResNeXt-101-32x8d backbone"
    return value
