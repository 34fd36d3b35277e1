"""What the recipes of IEMask R-CNN share: Detectron2's R50-FPN with a batch of 2.

The schedule is Detectron2's 1x: 720,000 steps of 2 images at a rate of 0.0025 are the
90,000 steps of 16 images at 0.02 of `mask_rcnn/detectron2_r50`.
"""

from tfmask.config import Config, PublishedRow
from tfmask.configs.lineages import detectron2


def mask_rcnn() -> Config:
    """The paper's baseline."""
    value = detectron2()
    train = value.train
    train.batch_size = train.base_batch = 2
    train.learning_rate = 0.0025
    train.steps = 720000
    train.decay_at = (480000, 640000)
    return value


def encoder_decoder() -> Config:
    """The baseline with the encoding-decoding mask head."""
    value = mask_rcnn()
    value.model.mask.head = "encoder_decoder"
    value.model.mask.pool_size = 28
    return value


def mask_scoring() -> Config:
    """Mask Scoring R-CNN in the paper's setting."""
    value = mask_rcnn()
    value.model.mask.scoring.enabled = True
    return value


def bmask() -> Config:
    """BMask R-CNN's release in the paper's setting."""
    value = mask_rcnn()
    value.model.mask.head = "boundary_preserving"
    value.model.mask.train_on_predicted_boxes = True
    return value


def resnext(value: Config) -> None:
    """What Detectron2 sets for ResNeXt-101-32x8d beside the backbone itself."""
    model = value.model
    model.backbone.depth = 101
    model.backbone.stride_in_1x1 = False
    model.pixel_std = (58.395, 57.12, 57.375)


def cityscapes(value: Config) -> Config:
    """160,000 steps at a rate of 0.01 for 2 images, as the paper prints it."""
    data, train = value.data, value.train
    value.model.num_classes = 8
    data.short_side = tuple(range(800, 1025, 32))
    data.max_side = data.eval_max_side = 2048
    data.eval_short_side = 1024
    train.learning_rate = 0.01
    train.steps = 160000
    train.decay_at = (140000,)
    return value


def lvis(value: Config) -> Config:
    """LVIS 1.0: 1203 classes, 300 detections from a score of 0.0001 on."""
    model = value.model
    model.num_classes = 1203
    model.postprocess.score_threshold = 1e-4
    model.postprocess.max_detections = 300
    value.evaluation.max_dets = (1, 10, 300)
    value.train.steps = 1440000
    value.train.decay_at = (2 / 3, 8 / 9)
    return value


def row(table, row, metrics, *, line, data="COCO val2017") -> PublishedRow:
    """A row of one of the paper's tables."""
    return PublishedRow(
        paper="IEMask R-CNN",
        table=table,
        row=row,
        data=data,
        metrics=metrics,
        line=line,
    )
