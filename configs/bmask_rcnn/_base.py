"""What the recipes of BMask R-CNN (ECCV 2020) share.

The paper's tables come from maskrcnn-benchmark, its release is on Detectron2: about one
point of AP lies between the two. The release also trains its mask head on the boxes
that the box head predicts, of which the paper says nothing.
"""

from tfmask.config import Config, PublishedRow
from tfmask.configs.lineages import detectron2, maskrcnn_benchmark

_PAPER = "BMask R-CNN (ECCV 2020)"


def mask_rcnn() -> Config:
    """The paper's baseline, `mask_rcnn/maskrcnn_benchmark_r50`."""
    return maskrcnn_benchmark()


def bmask() -> Config:
    """The paper's model: P2 at 28x28, both fusions, Dice and cross entropy."""
    value = mask_rcnn()
    value.model.mask.head = "boundary_preserving"
    return value


def ablation(value: Config) -> Config:
    """Images of the ablations: 600 pixels, at most 1000."""
    data = value.data
    data.short_side = (600,)
    data.max_side = data.eval_max_side = 1000
    data.eval_short_side = 600
    return value


def hrnet(value: Config) -> Config:
    """The setting of HRNetV2: RGB images of unit variance, nothing frozen."""
    model = value.model
    model.channel_order = "rgb"
    model.pixel_mean = (123.675, 116.28, 103.53)
    model.pixel_std = (58.395, 57.12, 57.375)
    model.backbone.freeze_at = 0
    return value


def cityscapes(value: Config) -> Config:
    """The paper's setting for Cityscapes."""
    data, train = value.data, value.train
    value.model.num_classes = 8
    data.short_side = tuple(range(800, 1025, 32))
    data.max_side = data.eval_max_side = 2048
    data.eval_short_side = 1024
    train.batch_size = train.base_batch = 4
    train.learning_rate = 0.005
    train.steps = 48000
    train.decay_at = (36000,)
    return value


def released() -> Config:
    """The release's R50-FPN for COCO."""
    value = detectron2()
    value.data.short_side = (800,)
    value.model.mask.head = "boundary_preserving"
    value.model.mask.train_on_predicted_boxes = True
    return value


def released_cityscapes() -> Config:
    """The release's R50-FPN for Cityscapes: twice the paper's batch and rate."""
    value = cityscapes(released())
    train = value.train
    train.batch_size = train.base_batch = 8
    train.learning_rate = 0.01
    train.steps = 24000
    train.decay_at = (18000,)
    return value


def row(table, row, metrics, *, line, data="COCO val2017") -> PublishedRow:
    """A row of one of the paper's tables."""
    return PublishedRow(
        paper=_PAPER, table=table, row=row, data=data, metrics=metrics, line=line
    )


def released_row(row_name, metrics, *, line, data="COCO val2017") -> PublishedRow:
    """A row of the release's table."""
    return row("README", row_name, metrics, line=line, data=data)
