"""BMask R-CNN, R101-FPN, on maskrcnn-benchmark's Mask R-CNN (1x).

BMask R-CNN (ECCV 2020), Tables 1 (COCO val2017) and 2 (test-dev).

    tfmask train bmask_rcnn/r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import bmask, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = bmask()
    value.model.backbone.depth = 101
    value.published = (
        row(
            "Table 1",
            "BMask R-CNN R101-FPN",
            mask(37.8, 59.1, 40.6) | box(40.4, 62.0, 44.3),
            line=4,
        ),
        row(
            "Table 2",
            "BMask R-CNN R101-FPN",
            mask(37.7, 59.3, 40.6, 16.8, 39.9, 54.6),
            line=4,
            data="COCO test-dev",
        ),
    )
    return value
