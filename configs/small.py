"""A Mask R-CNN for CPUs: the same classes, less depth and width, nothing pretrained."""

from tfmask.config import Config
from tfmask.configs.lineages import detectron2


def small() -> Config:
    """Detectron2's choices with a ResNet-18, 64-channel pyramid and heads.

    Nothing is pretrained, so nothing is frozen and the normalisation is a live one;
    images are standardised, which a random trunk needs.
    """
    config = detectron2()
    model, train = config.model, config.train
    model.channel_order = "rgb"
    model.pixel_std = (58.395, 57.12, 57.375)
    model.backbone.depth = 18
    model.backbone.width = 32
    model.backbone.norm = "bn"
    model.backbone.freeze_at = 0
    model.neck.channels = 64
    model.rpn.channels = 64
    model.rpn.pre_nms_train = 1000
    model.rpn.post_nms_train = 500
    model.rpn.pre_nms_test = 500
    model.rpn.post_nms_test = 300
    model.roi.batch = 128
    model.pool.sampling_ratio = 2
    model.box.fc_units = 256
    model.mask.channels = 64
    train.batch_size = train.base_batch = 4
    train.learning_rate = 0.02
    train.warmup_steps = 100
    train.warmup_factor = 0.01
    train.clip_norm = 10.0
    train.checkpoint_every = 200
    return config
