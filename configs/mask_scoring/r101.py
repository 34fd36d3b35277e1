"""Mask Scoring R-CNN, R101-FPN, on maskrcnn-benchmark's Mask R-CNN (1x).

Mask Scoring R-CNN (CVPR 2019), table of the release's README (COCO val2017). The
figures of test-dev are those that BMask R-CNN cites in Table 2.

    tfmask train mask_scoring/r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import mask_rcnn
from tfmask.configs.bmask_rcnn._base import row as bmask_row
from tfmask.configs.figures import mask
from tfmask.configs.mask_scoring._base import mask_scoring, row


def config() -> Config:
    value = mask_scoring(mask_rcnn())
    value.model.backbone.depth = 101
    value.published = (
        row("MS R-CNN R101-FPN", mask(37.4), line=2),
        bmask_row(
            "Table 2",
            "MS R-CNN R101-FPN",
            mask(37.5, 58.7, 40.2, 17.2, 39.5, 53.0),
            line=7,
            data="COCO test-dev",
        ),
    )
    return value
