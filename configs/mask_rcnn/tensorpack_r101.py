"""Mask R-CNN, R101-FPN, as Tensorpack trained it from 2018-12 to 2019-05 (2x).

MaskPlus (WACV 2020), Table 7, baseline row (COCO test-dev), and Tensorpack's own table
(val2017). Parameters at 80 classes: 63,392,564.

    tfmask train mask_rcnn/tensorpack_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config, PublishedRow
from tfmask.configs.figures import box, mask
from tfmask.configs.lineages import tensorpack
from tfmask.configs.maskplus._base import row


def config() -> Config:
    value = tensorpack()
    value.model.backbone.depth = 101
    value.published = (
        row(
            "Table 7",
            "Mask R-CNN",
            mask(36.9, 59.0, 39.5, 19.9, 39.7, 48.3),
            line=1,
            data="COCO test-dev",
        ),
        PublishedRow(
            paper="Tensorpack",
            table="README",
            row="R101-FPN 2x",
            data="COCO val2017",
            metrics=box(40.4) | mask(36.6),
            line=2,
        ),
    )
    return value
