"""BMask R-CNN, R50-FPN, as released for Cityscapes on Detectron2.

BMask R-CNN (ECCV 2020), table of the release's README (Cityscapes val).

    tfmask train bmask_rcnn/detectron2_cityscapes data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import released_cityscapes, released_row
from tfmask.configs.figures import mask


def config() -> Config:
    value = released_cityscapes()
    value.published = (
        released_row("BMask R-CNN R50-FPN", mask(36.2), line=7, data="Cityscapes val"),
    )
    value.waits_for = "Cityscapes reader"
    return value
