"""MR R-CNN, R101-FPN, whose refining module has the plain RoIAlign.

MR R-CNN, Table 3 (COCO val2017). Starts from the trained Mask R-CNN
`mask_rcnn/maskrcnn_benchmark_r101`.

    tfmask train mr_rcnn/r101_rm_only data.train=... data.val=... \\
        model.weights=runs/maskrcnn_benchmark_r101
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.mr_rcnn._base import mr_rcnn, row


def config() -> Config:
    value = mr_rcnn(101)
    value.model.refine.pooling = "plain"
    value.published = (row("Table 3", "R101-FPN, RM", box(40.5) | mask(36.6), line=5),)
    return value
