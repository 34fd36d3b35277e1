"""Models that no paper has: parts of several papers in one.

    tfmask train composed/panet_encoder_decoder data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import (
    BoundaryPreservingHeadConfig,
    Config,
    EncoderDecoderHeadConfig,
    IEFPNConfig,
    PANetConfig,
)
from tfmask.configs import bmask_rcnn, maskplus
from tfmask.configs.lineages import (
    bias_towards_masks,
    cascade,
    detectron2,
    mask_scoring,
    refined,
)


def iefpn_bmask_cascade() -> Config:
    """IEFPN, BMask R-CNN's head, cascade, Mask Scoring and biased training, R50."""
    value = mask_scoring(cascade(detectron2()))
    value.model.neck = IEFPNConfig()
    value.model.mask.head = BoundaryPreservingHeadConfig()
    return bias_towards_masks(value, "mask", "boundary")


def maskplus_refined() -> Config:
    """All of MaskPlus, refined as in MR R-CNN, R50; starts from a trained MaskPlus.

        tfmask train composed/maskplus_refined model.weights=runs/maskplus_r50 ...

    Biased training belongs to the first half of the run that it starts from.
    """
    value = refined(maskplus.maskplus_r50())
    value.train.loss_weights = {}
    return value


def panet_encoder_decoder() -> Config:
    """PANet's neck with IEMask R-CNN's mask head, R50."""
    value = detectron2()
    value.model.neck = PANetConfig()
    value.model.mask.head = EncoderDecoderHeadConfig()
    return value


def hrnet_bmask_refined() -> Config:
    """BMask R-CNN on HRNetV2-W32, refined; starts from a trained `bmask_rcnn/hrw32`.

    tfmask train composed/hrnet_bmask_refined model.weights=runs/hrw32 ...
    """
    return refined(bmask_rcnn.hrw32())
