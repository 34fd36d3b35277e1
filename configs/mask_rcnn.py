"""Mask R-CNN as the code bases train it that the papers start from.

    tfmask train mask_rcnn/detectron2_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.lineages import (
    detectron2,
    maskrcnn_benchmark,
    resnext101,
    schedule,
    tensorpack,
)


def detectron2_r50() -> Config:
    """Mask R-CNN, R50-FPN, Detectron2's 1x with a batch of 16.

    With a batch of 2 it is the baseline of IEMask R-CNN, `iemask_rcnn/baseline`.
    """
    return detectron2()


def detectron2_r101() -> Config:
    """Mask R-CNN, R101-FPN, Detectron2's 1x."""
    value = detectron2()
    value.model.backbone.depth = 101
    return value


def detectron2_x101() -> Config:
    """Mask R-CNN, X101-32x8d-FPN, Detectron2's 1x."""
    value = resnext101(detectron2())
    value.model.pixel_std = (58.395, 57.12, 57.375)
    return value


def maskrcnn_benchmark_r50() -> Config:
    """Mask R-CNN, R50-FPN, maskrcnn-benchmark's 1x: baseline of MR and BMask R-CNN."""
    return maskrcnn_benchmark()


def maskrcnn_benchmark_r101() -> Config:
    """Mask R-CNN, R101-FPN, maskrcnn-benchmark's 1x."""
    value = maskrcnn_benchmark()
    value.model.backbone.depth = 101
    return value


def maskrcnn_benchmark_x101() -> Config:
    """Mask R-CNN, X101-32x8d-FPN, maskrcnn-benchmark's 1x with a batch of 8."""
    value = resnext101(maskrcnn_benchmark())
    return schedule(value, 8, 0.01, 180000, decay_at=(120000, 160000))


def tensorpack_r50() -> Config:
    """Mask R-CNN, R50-FPN, Tensorpack's 2x of 2018-12 to 2019-05, for MaskPlus."""
    return tensorpack()


def tensorpack_r101() -> Config:
    """Mask R-CNN, R101-FPN, Tensorpack's 2x of 2018-12 to 2019-05."""
    value = tensorpack()
    value.model.backbone.depth = 101
    return value


def tensorpack_zoo_r50() -> Config:
    """Mask R-CNN, R50-FPN, Tensorpack's later 2x: COCO-MaskRCNN-R50FPN2x.npz."""
    return tensorpack(zoo=True)
