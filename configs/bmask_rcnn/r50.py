"""BMask R-CNN, R50-FPN, on maskrcnn-benchmark's Mask R-CNN (1x).

BMask R-CNN (ECCV 2020), Tables 1 (COCO val2017) and 2 (test-dev).

    tfmask train bmask_rcnn/r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import bmask, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = bmask()
    value.published = (
        row(
            "Table 1",
            "BMask R-CNN R50-FPN",
            mask(35.6, 56.3, 38.4) | box(37.8, 59.0, 41.5),
            line=2,
        ),
        row(
            "Table 2",
            "BMask R-CNN R50-FPN",
            mask(35.9, 57.0, 38.6, 15.8, 37.6, 52.2),
            line=2,
            data="COCO test-dev",
        ),
    )
    return value
