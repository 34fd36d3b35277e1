"""Overfitting a handful of photographs with COCO's 80 classes, from scratch on a CPU.

    tfmask train demo/coco_open data.train=FOLDER data.val=FOLDER    (the same folder)

The shortest proof that a data set, its category ids and its masks reach the model
unharmed: the model has to learn the images by heart.
"""

from tfmask.config import Config
from tfmask.configs.small import small


def config() -> Config:
    value = small()
    data, model, train = value.data, value.model, value.train
    data.short_side = (320,)
    data.max_side = data.eval_max_side = 448
    data.eval_short_side = 320
    data.mask_resolution = 56
    data.flip = 0.0  # what is learned by heart need not be learned mirrored
    model.backbone.norm = "gn"
    model.anchors.sizes = (16.0, 32.0, 64.0, 128.0, 256.0)
    model.pool.canonical_size = 112.0
    train.steps = 700
    train.decay_at = (0.8, 0.95)
    return value
