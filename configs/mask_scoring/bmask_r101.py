"""BMask R-CNN with Mask Scoring, R101-FPN, on maskrcnn-benchmark's Mask R-CNN (1x).

BMask R-CNN (ECCV 2020), Table 2 (COCO test-dev).

    tfmask train mask_scoring/bmask_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import bmask, row
from tfmask.configs.figures import mask
from tfmask.configs.mask_scoring._base import mask_scoring


def config() -> Config:
    value = mask_scoring(bmask())
    value.model.backbone.depth = 101
    value.published = (
        row(
            "Table 2",
            "BMask R-CNN R101-FPN with Mask Scoring",
            mask(38.7, 59.1, 41.9, 17.4, 40.7, 55.5),
            line=5,
            data="COCO test-dev",
        ),
    )
    return value
