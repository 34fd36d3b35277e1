"""BMask R-CNN, R50-FPN, on Cityscapes.

BMask R-CNN (ECCV 2020), Table 9 (Cityscapes val and test).

    tfmask train bmask_rcnn/cityscapes data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import bmask, cityscapes, row
from tfmask.configs.figures import mask


def config() -> Config:
    value = cityscapes(bmask())
    value.published = (
        row(
            "Table 9",
            "BMask R-CNN",
            {"mask/AP": 35.0, "mask/AP75": 33.6},
            line=2,
            data="Cityscapes val",
        ),
        row("Table 9", "BMask R-CNN", mask(29.4, 54.7), line=2, data="Cityscapes test"),
    )
    value.waits_for = "Cityscapes reader"
    return value
