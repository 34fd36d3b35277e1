"""MR R-CNN, R50-FPN, that refines scores and leaves the boxes.

MR R-CNN, Table 4 (COCO val2017). Starts from the trained Mask R-CNN
`mask_rcnn/maskrcnn_benchmark_r50`.

    tfmask train mr_rcnn/r50_cls_only data.train=... data.val=... \\
        model.weights=runs/maskrcnn_benchmark_r50
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.mr_rcnn._base import mr_rcnn, row


def config() -> Config:
    value = mr_rcnn()
    value.model.refine.boxes = False
    value.published = (row("Table 4", "R50-FPN, CLS", box(38.3) | mask(35.0), line=2),)
    return value
