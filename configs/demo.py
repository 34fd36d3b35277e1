"""Small models, learned from scratch on a CPU: no weights, less depth and width."""

from tfmask.config import Config
from tfmask.configs.lineages import detectron2


def _small() -> Config:
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
    model.boxes.head.fc_units = 256
    model.mask.head.channels = 64
    train.batch_size = train.base_batch = 4
    train.learning_rate = 0.02
    train.warmup_steps = 100
    train.warmup_factor = 0.01
    train.clip_norm = 10.0
    train.checkpoint_every = 200
    return config


def shapes() -> Config:
    """The demo: huddled shapes of four classes.

        make demo                  data, this recipe with a stop and a resume, pictures
        tfmask train demo/shapes data.train=... data.val=...

    Expected: validation mask AP of at least 0.50 within 15 minutes on 2 cores.
    """
    value = _small()
    data, model, train = value.data, value.model, value.train
    data.short_side = (192,)
    data.max_side = data.eval_max_side = 256
    data.eval_short_side = 192
    data.mask_resolution = 56
    model.backbone.depth = 10
    # Objects are about 20 to 140 pixels wide: less than COCO's at 800 pixels.
    model.anchors.sizes = (12.0, 24.0, 48.0, 96.0, 144.0)
    model.pool.canonical_size = 112.0
    # Adam and group normalisation: most AP for the minutes, from random weights.
    model.backbone.norm = model.neck.norm = "gn"
    model.mask.head.predictor_initializer = "msra"
    train.optimizer = "Adam"
    train.learning_rate = 1e-3
    train.weight_decay = 0.0
    train.steps = 1500
    train.decay_at = (0.7, 0.9)
    train.log_every = 50
    return value


def huddled() -> Config:
    """`demo/shapes` on smaller images, fewer rois and steps: the base of the ablations.

    python benchmarks/ablation.py          every row of the table (docs/ablation.md)
    tfmask train demo/huddled data.train=... data.val=...
    """
    value = shapes()
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


def nuclei() -> Config:
    """Cell nuclei of microscopy images (Data Science Bowl 2018).

        tfmask train demo/nuclei data.train=FOLDER data.val=FOLDER

    Many small, touching objects, over a hundred on some images: small anchors, and the
    detection limit is 400 where COCO has 100.
    """
    value = _small()
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


def coco_open() -> Config:
    """Overfitting a handful of photographs with COCO's 80 classes.

        tfmask train demo/coco_open data.train=FOLDER data.val=FOLDER  (the same folder)

    The shortest proof that a data set, its category ids and its masks reach the model
    unharmed: the model has to learn the images by heart.
    """
    value = _small()
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
