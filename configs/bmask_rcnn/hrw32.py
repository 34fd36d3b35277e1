"""BMask R-CNN, HRNetV2-W32, on maskrcnn-benchmark's Mask R-CNN (1x).

BMask R-CNN (ECCV 2020), Table 1 (COCO val2017).

    tfmask train bmask_rcnn/hrw32 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import bmask, hrnet, row
from tfmask.configs.figures import box, mask


def config() -> Config:
    value = hrnet(bmask())
    value.published = (
        row(
            "Table 1",
            "BMask R-CNN HRNetV2-W32",
            mask(38.1, 59.4, 40.7) | box(41.0, 61.9, 45.1),
            line=6,
        ),
    )
    value.waits_for = "HRNetV2-W32 backbone and HRFPN neck"
    return value
