"""BMask R-CNN with a boundary feature of P2 at 14x14.

BMask R-CNN (ECCV 2020), Table 5 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_roi_p2_14 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, bmask, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = ablation(bmask())
    value.model.mask.boundary.pool_size = 14
    value.published = (
        row("Table 5", "P2, 14x14", mask(34.5, 55.0, 36.7) | box(36.7), line=2),
    )
    return value
