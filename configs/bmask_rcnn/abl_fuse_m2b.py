"""BMask R-CNN with the fusion from mask to boundary alone.

BMask R-CNN (ECCV 2020), Table 6 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_fuse_m2b data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, bmask, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = ablation(bmask())
    value.model.mask.boundary.boundary_to_mask = False
    value.published = (
        row("Table 6", "M2B", mask(34.2, 54.9, 36.5) | box(36.8), line=2),
    )
    return value
