"""Huddled shapes, small and quick: the base of the ablations (docs/ablation.md).

    python benchmarks/ablation.py          every row of the table, trained and evaluated
    tfmask train demo/huddled data.train=... data.val=...

The recipe of `demo/shapes` on smaller images, with fewer rois and steps.
"""

from tfmask.config import Config
from tfmask.configs.demo import shapes


def config() -> Config:
    value = shapes.config()
    data, model, train = value.data, value.model, value.train
    data.short_side = (160,)
    data.eval_short_side = 160
    data.max_side = data.eval_max_side = 224
    model.anchors.sizes = (10.0, 20.0, 40.0, 80.0, 120.0)
    model.pool.canonical_size = 96.0
    model.rpn.post_nms_train = 300
    model.roi.batch = 64
    train.steps = 600
    train.checkpoint_every = 100
    train.tensorboard = False
    return value
