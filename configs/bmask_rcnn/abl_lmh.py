"""Mask R-CNN with eight convolutions in its mask head, as many as BMask R-CNN's.

BMask R-CNN (ECCV 2020), Table 8 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_lmh data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, mask_rcnn, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = ablation(mask_rcnn())
    value.model.mask.conv_layers = 8
    value.published = (
        row("Table 8", "larger mask head", mask(33.7, 54.6, 35.8) | box(36.7), line=2),
    )
    return value
