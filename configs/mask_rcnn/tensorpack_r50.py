"""Mask R-CNN, R50-FPN, as Tensorpack trained it from 2018-12 to 2019-05 (2x).

MaskPlus, Tables 1 to 6, row 1 (COCO val2017): the baseline of that paper. Tensorpack's
own table has box AP 38.4, mask AP 35.1. Parameters at 80 classes: 44,400,436, the
trained scales and offsets of the frozen normalisation among them.

    tfmask train mask_rcnn/tensorpack_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.lineages import tensorpack


def config() -> Config:
    value = tensorpack()
    value.published = {
        "box/AP": 38.3,
        "box/AP50": 59.8,
        "box/AP75": 41.6,
        "box/APs": 21.8,
        "box/APm": 41.9,
        "box/APl": 50.3,
        "mask/AP": 35.1,
        "mask/AP50": 56.6,
        "mask/AP75": 37.5,
        "mask/APs": 18.4,
        "mask/APm": 38.4,
        "mask/APl": 48.3,
    }
    return value
