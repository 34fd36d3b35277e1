"""BMask R-CNN's head without a loss on its boundary branch.

BMask R-CNN (ECCV 2020), Table 4 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_gt_none data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, bmask, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = ablation(bmask())
    value.model.mask.boundary.target = "none"
    value.published = (
        row("Table 4", "none", mask(34.0, 55.0, 36.0) | box(36.3), line=1),
    )
    return value
