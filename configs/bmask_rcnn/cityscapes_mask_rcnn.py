"""Mask R-CNN, R50-FPN, on Cityscapes.

BMask R-CNN (ECCV 2020), Table 9 (Cityscapes val and test).

    tfmask train bmask_rcnn/cityscapes_mask_rcnn data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import cityscapes, mask_rcnn, row
from tfmask.configs.figures import mask


def config() -> Config:
    value = cityscapes(mask_rcnn())
    value.published = (
        row(
            "Table 9",
            "Mask R-CNN*",
            {"mask/AP": 32.0, "mask/AP75": 30.1},
            line=1,
            data="Cityscapes val",
        ),
        row("Table 9", "Mask R-CNN*", mask(27.2, 53.0), line=1, data="Cityscapes test"),
    )
    value.waits_for = "Cityscapes reader"
    return value
