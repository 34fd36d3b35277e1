"""BMask R-CNN with a boundary feature of P2 to P5 at 28x28.

BMask R-CNN (ECCV 2020), Table 5 (COCO val2017, R50-FPN, images of 600/1000).

    tfmask train bmask_rcnn/abl_roi_p25_28 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, bmask, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = ablation(bmask())
    value.model.mask.boundary.levels = ("p2", "p3", "p4", "p5")
    value.published = (
        row("Table 5", "P2-P5, 28x28", mask(34.4, 55.1, 36.8) | box(36.6), line=3),
    )
    return value
