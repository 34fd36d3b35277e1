"""BMask R-CNN with the fusion from boundary to mask alone.

BMask R-CNN (ECCV 2020), Table 6 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_fuse_b2m data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, bmask, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = ablation(bmask())
    value.model.mask.boundary.mask_to_boundary = False
    value.published = (
        row("Table 6", "B2M", mask(33.9, 54.7, 36.1) | box(36.6), line=3),
    )
    return value
