"""BMask R-CNN, R101-FPN, as released on Detectron2 (1x).

BMask R-CNN (ECCV 2020), table of the release's README (COCO val2017).

    tfmask train bmask_rcnn/detectron2_r101 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import released, released_row
from tfmask.configs.figures import mask


def config() -> Config:
    value = released()
    value.model.backbone.depth = 101
    value.published = (
        released_row("BMask R-CNN R101-FPN", mask(38.0, 58.6, 40.9), line=3),
    )
    return value
