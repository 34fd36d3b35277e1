"""Mask R-CNN, R101-FPN, as Detectron2 trains it (1x, short side 640-800).

IEMask R-CNN, Table 5, R101 Mask R-CNN (COCO test-dev). Parameters at 80 classes:
63,283,120.

    tfmask train mask_rcnn/detectron2_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.lineages import detectron2


def config() -> Config:
    value = detectron2()
    value.model.backbone.depth = 101
    value.published = {
        "test-dev mask/AP": 37.1,
        "test-dev mask/AP50": 58.9,
        "test-dev mask/AP75": 39.7,
        "test-dev mask/APs": 20.4,
        "test-dev mask/APm": 39.7,
        "test-dev mask/APl": 48.3,
    }
    return value
