"""BMask R-CNN's head, its boundary branch trained on masks.

BMask R-CNN (ECCV 2020), Table 4 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_gt_mask data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, bmask, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = ablation(bmask())
    value.model.mask.boundary.target = "mask"
    value.published = (
        row("Table 4", "mask", mask(33.9, 54.3, 35.9) | box(36.0), line=2),
    )
    return value
