"""Mask R-CNN, R50-FPN, as Tensorpack trained it from 2018-12 to 2019-05 (2x).

MaskPlus (WACV 2020), Tables 1 to 6, row 1 (COCO val2017): the baseline of that paper,
and Tensorpack's own table. Parameters at 80 classes: 44,400,436, the trained scales and
offsets of the frozen normalisation among them.

    tfmask train mask_rcnn/tensorpack_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config, PublishedRow
from tfmask.configs.figures import box, mask
from tfmask.configs.lineages import tensorpack
from tfmask.configs.maskplus._base import row


def config() -> Config:
    value = tensorpack()
    masks = mask(35.1, 56.6, 37.5, 18.4, 38.4, 48.3)
    boxes = box(38.3, 59.8, 41.6, 21.8, 41.9, 50.3)
    value.published = (
        *(row(f"Table {n}", "Mask R-CNN", masks, line=1) for n in range(1, 6)),
        row("Table 6", "Mask R-CNN", boxes, line=1),
        PublishedRow(
            paper="Tensorpack",
            table="README",
            row="R50-FPN 2x",
            data="COCO val2017",
            metrics=box(38.4) | mask(35.1),
            line=1,
        ),
    )
    return value
