"""Mask R-CNN, R101-FPN, as Detectron2 trains it (1x, short side 640-800).

No figures are published for this schedule with Detectron2's own batch of 16; with a
batch of 2 it is a baseline of IEMask R-CNN, `iemask_rcnn/mask_rcnn_r101`. Parameters at
80 classes: 63,283,120.

    tfmask train mask_rcnn/detectron2_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.lineages import detectron2


def config() -> Config:
    value = detectron2()
    value.model.backbone.depth = 101
    return value
