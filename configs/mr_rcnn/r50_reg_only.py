"""MR R-CNN, R50-FPN, that refines boxes and leaves the scores.

MR R-CNN, Table 4 (COCO val2017). Starts from the trained Mask R-CNN
`mask_rcnn/maskrcnn_benchmark_r50`.

    tfmask train mr_rcnn/r50_reg_only data.train=... data.val=... \\
        model.weights=runs/maskrcnn_benchmark_r50
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.mr_rcnn._base import mr_rcnn, row


def config() -> Config:
    value = mr_rcnn()
    value.model.refine.classes = False
    value.published = (row("Table 4", "R50-FPN, REG", box(39.1) | mask(35.1), line=3),)
    return value
