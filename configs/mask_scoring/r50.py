"""Mask Scoring R-CNN, R50-FPN, on maskrcnn-benchmark's Mask R-CNN (1x).

Mask Scoring R-CNN (CVPR 2019), table of the release's README (COCO val2017). The
figures of test-dev are those that BMask R-CNN cites in Table 2.

    tfmask train mask_scoring/r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import mask_rcnn
from tfmask.configs.bmask_rcnn._base import row as bmask_row
from tfmask.configs.figures import box, mask
from tfmask.configs.mask_scoring._base import mask_scoring, row


def config() -> Config:
    value = mask_scoring(mask_rcnn())
    value.published = (
        row("MS R-CNN R50-FPN", box(37.9) | mask(35.6), line=1),
        bmask_row(
            "Table 2",
            "MS R-CNN R50-FPN",
            mask(35.8, 56.5, 38.4, 16.2, 37.4, 51.0),
            line=6,
            data="COCO test-dev",
        ),
    )
    return value
