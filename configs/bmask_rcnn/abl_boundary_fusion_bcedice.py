"""A boundary branch with the mask's RoI feature, both fusions, Dice and BCE.

BMask R-CNN (ECCV 2020), Tables 3, 5 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_boundary_fusion_bcedice data.train=... data.val=... \\
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
    value.published = (
        row(
            "Table 3",
            "+ boundary, fusion, Dice-BCE",
            mask(34.4, 55.0, 36.6) | box(36.7),
            line=4,
        ),
        row("Table 5", "P2-P5, 14x14", mask(34.4, 55.1, 36.5) | box(36.8), line=1),
    )
    return value
