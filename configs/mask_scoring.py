"""Mask Scoring R-CNN (CVPR 2019), on maskrcnn-benchmark's Mask R-CNN (1x).

tfmask train mask_scoring/r50 data.train=... data.val=... model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs import bmask_rcnn
from tfmask.configs.lineages import mask_scoring, maskrcnn_benchmark


def r50() -> Config:
    """Mask Scoring R-CNN, R50-FPN."""
    return mask_scoring(maskrcnn_benchmark())


def r101() -> Config:
    """Mask Scoring R-CNN, R101-FPN."""
    value = r50()
    value.model.backbone.depth = 101
    return value


def r101_dcn() -> Config:
    """Mask Scoring R-CNN, R101-FPN with deformable convolutions in C3 to C5."""
    value = r101()
    value.model.backbone.deformable = "v1"
    return value


def bmask_r101() -> Config:
    """BMask R-CNN, R101-FPN, with Mask Scoring (BMask R-CNN, Table 2)."""
    return mask_scoring(bmask_rcnn.r101())
