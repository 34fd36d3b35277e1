"""BMask R-CNN with Dice as its boundary loss.

BMask R-CNN (ECCV 2020), Table 7 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_loss_dice data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, bmask, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = ablation(bmask())
    value.model.mask.boundary.loss = "dice"
    value.published = (
        row("Table 7", "Dice", mask(34.3, 55.0, 36.5) | box(36.5), line=3),
    )
    return value
