"""Mask R-CNN, HRNetV2-W32, as maskrcnn-benchmark trains it (1x).

BMask R-CNN (ECCV 2020), Table 1 (COCO val2017): the baseline of `bmask_rcnn/hrw32`.

    tfmask train bmask_rcnn/mask_rcnn_hrw32 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import hrnet, mask_rcnn, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = hrnet(mask_rcnn())
    value.published = (
        row(
            "Table 1",
            "Mask R-CNN HRNetV2-W32",
            mask(36.6, 58.7, 38.9) | box(40.8, 61.9, 44.9),
            line=5,
        ),
    )
    value.waits_for = "HRNetV2-W32 backbone and HRFPN neck"
    return value
