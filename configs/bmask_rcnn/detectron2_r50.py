"""BMask R-CNN, R50-FPN, as released on Detectron2 (1x).

BMask R-CNN (ECCV 2020), table of the release's README (COCO val2017).

    tfmask train bmask_rcnn/detectron2_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import released, released_row
from tfmask.configs.figures import mask


def config() -> Config:
    value = released()
    value.published = (
        released_row(
            "BMask R-CNN R50-FPN", mask(36.6, 56.7, 39.4, 17.3, 38.8, 53.8), line=2
        ),
    )
    return value
