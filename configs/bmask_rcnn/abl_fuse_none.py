"""BMask R-CNN without fusion between its branches.

BMask R-CNN (ECCV 2020), Table 6 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_fuse_none data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, bmask, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = ablation(bmask())
    boundary = value.model.mask.boundary
    boundary.mask_to_boundary = False
    boundary.boundary_to_mask = False
    value.published = (
        row("Table 6", "no fusion", mask(33.7, 55.0, 35.7) | box(36.8), line=1),
    )
    return value
