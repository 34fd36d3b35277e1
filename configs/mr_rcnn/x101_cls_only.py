"""MR R-CNN, X101-32x8d-FPN, that refines scores and leaves the boxes.

MR R-CNN, Table 4 (COCO val2017). Starts from the trained Mask R-CNN
`mask_rcnn/maskrcnn_benchmark_x101`.

    tfmask train mr_rcnn/x101_cls_only data.train=... data.val=... \\
        model.weights=runs/maskrcnn_benchmark_x101
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.mr_rcnn._base import mr_rcnn_x101, row


def config() -> Config:
    value = mr_rcnn_x101()
    value.model.refine.boxes = False
    value.published = (
        row("Table 4", "X101-32x8d-FPN, CLS", box(42.7) | mask(38.6), line=10),
    )
    value.waits_for = "ResNeXt-101-32x8d backbone"
    return value
