"""The Mask R-CNN that BMask R-CNN's ablations start from.

BMask R-CNN (ECCV 2020), Tables 3, 8 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_base data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, mask_rcnn, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = ablation(mask_rcnn())
    value.published = (
        row("Table 3", "Mask R-CNN", mask(33.2, 54.4, 34.9) | box(36.6), line=1),
        row("Table 8", "Mask R-CNN", mask(33.2, 54.4, 34.9) | box(36.6), line=1),
    )
    return value
