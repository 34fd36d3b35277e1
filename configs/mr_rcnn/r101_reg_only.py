"""MR R-CNN, R101-FPN, that refines boxes and leaves the scores.

MR R-CNN, Table 4 (COCO val2017). Starts from the trained Mask R-CNN
`mask_rcnn/maskrcnn_benchmark_r101`.

    tfmask train mr_rcnn/r101_reg_only data.train=... data.val=... \\
        model.weights=runs/maskrcnn_benchmark_r101
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.mr_rcnn._base import mr_rcnn, row


def config() -> Config:
    value = mr_rcnn(101)
    value.model.refine.classes = False
    value.published = (row("Table 4", "R101-FPN, REG", box(41.2) | mask(37.0), line=7),)
    return value
