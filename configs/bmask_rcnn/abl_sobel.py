"""Mask R-CNN with boundary supervision of its masks' Sobel gradient.

BMask R-CNN (ECCV 2020), section 4.4 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_sobel data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, mask_rcnn, row
from tfmask.configs.figures import mask


def config() -> Config:
    value = ablation(mask_rcnn())
    value.model.mask.sobel = True
    value.published = (row("Section 4.4", "Sobel mask head", mask(34.0), line=1),)
    return value
