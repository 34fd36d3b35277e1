"""The demo: huddled shapes of four classes, learned from scratch on a CPU.

    make demo                  the data, this recipe with a stop and a resume, pictures
    tfmask train demo/shapes data.train=... data.val=...

Expected: validation mask AP of at least 0.50 within 15 minutes on 2 cores.
"""

from tfmask.config import Config
from tfmask.configs.small import small


def config() -> Config:
    value = small()
    data, model, train = value.data, value.model, value.train
    data.short_side = (192,)
    data.max_side = data.eval_max_side = 256
    data.eval_short_side = 192
    data.mask_resolution = 56
    model.backbone.depth = 10
    # Objects are about 20 to 140 pixels wide: less than COCO's at 800 pixels.
    model.anchors.sizes = (12.0, 24.0, 48.0, 96.0, 144.0)
    model.pool.canonical_size = 112.0
    model.roi.batch = 128
    # Adam and group normalisation: most AP for the minutes, from random weights.
    model.backbone.norm = model.neck.norm = "gn"
    model.mask.predictor_initializer = "msra"
    train.optimizer = "Adam"
    train.learning_rate = 1e-3
    train.weight_decay = 0.0
    train.steps = 1500
    train.decay_at = (0.7, 0.9)
    train.log_every = 50
    train.eval_every = 0
    return value
