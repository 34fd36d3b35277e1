"""A boundary branch with the mask's RoI feature, both fusions, cross entropy.

BMask R-CNN (ECCV 2020), Table 3 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_boundary_fusion data.train=... data.val=... \\
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
    boundary.loss = "bce"
    value.published = (
        row(
            "Table 3", "+ boundary, fusion", mask(34.2, 55.4, 36.4) | box(36.8), line=3
        ),
    )
    return value
