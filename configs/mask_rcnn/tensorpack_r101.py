"""Mask R-CNN, R101-FPN, as Tensorpack trained it from 2018-12 to 2019-05 (2x).

Figures without a prefix are Tensorpack's own (COCO val2017); those of test-dev are from
MaskPlus, Table 7, baseline row. Parameters at 80 classes: 63,392,564.

    tfmask train mask_rcnn/tensorpack_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.lineages import tensorpack


def config() -> Config:
    value = tensorpack()
    value.model.backbone.depth = 101
    value.published = {
        "box/AP": 40.4,
        "mask/AP": 36.6,
        "test-dev mask/AP": 36.9,
        "test-dev mask/AP50": 59.0,
        "test-dev mask/AP75": 39.5,
        "test-dev mask/APs": 19.9,
        "test-dev mask/APm": 39.7,
        "test-dev mask/APl": 48.3,
    }
    return value
