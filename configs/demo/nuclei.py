"""Cell nuclei of microscopy images (Data Science Bowl 2018), from scratch on a CPU.

    tfmask train demo/nuclei data.train=FOLDER data.val=FOLDER

Many small, touching objects, over a hundred on some images: small anchors, and the
detection limit is 400 where COCO has 100.
"""

from tfmask.config import Config
from tfmask.configs.small import small


def config() -> Config:
    value = small()
    data, model, train = value.data, value.model, value.train
    data.short_side = (320, 352, 384, 416, 448)
    data.max_side = data.eval_max_side = 640
    data.eval_short_side = 448
    data.mask_resolution = 56
    # Fluorescence and stained slides differ so much that the statistics of four images
    # are not those of a fifth: batch normalisation loses 9 points of AP here.
    model.backbone.norm = "gn"
    model.anchors.sizes = (8.0, 16.0, 32.0, 64.0, 128.0)
    model.pool.canonical_size = 112.0
    model.rpn.post_nms_train = 1000
    model.rpn.pre_nms_test = 2000
    model.rpn.post_nms_test = 1000
    model.roi.batch = 256
    model.postprocess.max_detections = 400
    train.steps = 1100
    train.decay_at = (0.75, 0.92)
    value.evaluation.max_dets = (1, 10, 400)
    return value
