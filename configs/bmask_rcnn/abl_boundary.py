"""A boundary branch with the mask's RoI feature, no fusion, cross entropy.

BMask R-CNN (ECCV 2020), Table 3 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_boundary data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, bmask, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = ablation(bmask())
    boundary = value.model.mask.boundary
    boundary.levels = ("p2", "p3", "p4", "p5")
    boundary.pool_size = 14
    boundary.mask_to_boundary = False
    boundary.boundary_to_mask = False
    boundary.loss = "bce"
    value.published = (
        row("Table 3", "+ boundary", mask(33.9, 54.8, 35.8) | box(36.7), line=2),
    )
    return value
