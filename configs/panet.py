"""PANet (CVPR 2018), as its authors trained it, on Detectron2's Mask R-CNN.

tfmask train panet/r50 data.train=... data.val=... model.backbone.weights=...
"""

from tfmask.config import (
    AdaptiveBoxHeadConfig,
    AdaptiveMaskHeadConfig,
    Config,
    PANetConfig,
)
from tfmask.configs.lineages import detectron2, schedule


def r50() -> Config:
    """PANet, R50, complete: bottom-up path, adaptive pooling, fully connected fusion.

    Trained from six scales, 400 to 1200, and normalised in groups (2x, batch of 16).
    """
    value = detectron2()
    data, model = value.data, value.model
    data.short_side = (1200, 1200, 1000, 800, 600, 400)
    data.max_side = data.eval_max_side = 1400
    data.eval_short_side = 1000
    model.neck = PANetConfig(norm="gn")
    model.boxes.head = AdaptiveBoxHeadConfig(form="4conv1fc", norm="gn")
    model.mask.head = AdaptiveMaskHeadConfig(norm="gn")
    return schedule(value, 16, 0.02, 180000, decay_at=(120000, 160000))
