"""BMask R-CNN with weighted BCE as its boundary loss.

BMask R-CNN (ECCV 2020), Table 7 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_loss_wbce data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, bmask, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = ablation(bmask())
    value.model.mask.boundary.loss = "weighted_bce"
    value.published = (
        row("Table 7", "weighted BCE", mask(34.1, 55.0, 36.2) | box(36.7), line=2),
    )
    return value
