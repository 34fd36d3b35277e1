"""Mask R-CNN, R50-FPN, as Detectron2 trains it (1x, short side 640-800).

IEMask R-CNN, Table 3, row 1 (COCO val2017): the baseline of that paper. Detectron2's
own model zoo has box AP 38.6, mask AP 35.2. Parameters at 80 classes: 44,343,216.

    tfmask train mask_rcnn/detectron2_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.lineages import detectron2


def config() -> Config:
    value = detectron2()
    value.published = {
        "mask/AP": 35.27,
        "mask/AP50": 56.45,
        "mask/AP75": 37.72,
        "mask/APs": 16.83,
        "mask/APm": 38.18,
        "mask/APl": 50.00,
    }
    return value
