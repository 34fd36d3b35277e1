"""BMask R-CNN complete, on the images of the ablations.

BMask R-CNN (ECCV 2020), Tables 3, 4, 5, 6, 7, 8 (COCO val2017, R50-FPN, images of
600/1000).

    tfmask train bmask_rcnn/abl_full data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import ablation, bmask, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = ablation(bmask())
    value.published = (
        row(
            "Table 3",
            "+ boundary, fusion, Dice-BCE, P2 28x28",
            mask(34.7, 55.1, 37.2) | box(36.8),
            line=5,
        ),
        row("Table 4", "boundary", mask(34.7, 55.1, 37.2) | box(36.8), line=3),
        row("Table 5", "P2, 28x28", mask(34.7, 55.1, 37.2) | box(36.8), line=4),
        row("Table 6", "both fusions", mask(34.7, 55.1, 37.2) | box(36.8), line=4),
        row("Table 7", "Dice-BCE", mask(34.7, 55.1, 37.2) | box(36.8), line=4),
        row("Table 8", "BMask R-CNN", mask(34.7, 55.1, 37.2) | box(36.8), line=3),
    )
    return value
