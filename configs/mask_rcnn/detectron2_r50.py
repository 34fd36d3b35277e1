"""Mask R-CNN, R50-FPN, as Detectron2 trains it (1x, short side 640-800).

Detectron2's model zoo (COCO val2017); the README of BMask R-CNN's release has the same
mask AP. With a batch of 2 it is the baseline of IEMask R-CNN, `iemask_rcnn/baseline`.
Parameters at 80 classes: 44,343,216.

    tfmask train mask_rcnn/detectron2_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config, PublishedRow
from tfmask.configs.bmask_rcnn._base import released_row
from tfmask.configs.figures import box, mask
from tfmask.configs.lineages import detectron2


def config() -> Config:
    value = detectron2()
    value.published = (
        PublishedRow(
            paper="Detectron2",
            table="model zoo",
            row="Mask R-CNN R50-FPN 1x",
            data="COCO val2017",
            metrics=box(38.6) | mask(35.2),
            line=1,
        ),
        released_row("Mask R-CNN R50-FPN", mask(35.2), line=1),
    )
    return value
