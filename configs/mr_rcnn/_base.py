"""What the recipes of MR R-CNN share: a trained Mask R-CNN, then 9,000 iterations.

The paper does not say which weights stay as they were; none are frozen here. The losses
of the refining module count as much as those they refine.
"""

from tfmask.config import Config, PublishedRow
from tfmask.configs.lineages import maskrcnn_benchmark


def mask_rcnn_x101() -> Config:
    """maskrcnn-benchmark's X101-32x8d, trained on 8 images for twice the steps."""
    value = maskrcnn_benchmark()
    value.model.backbone.depth = 101
    value.model.backbone.stride_in_1x1 = False
    train = value.train
    train.batch_size = train.base_batch = 8
    train.learning_rate = 0.01
    train.steps = 180000
    train.decay_at = (120000, 160000)
    return value


def mr_rcnn(depth: int = 50) -> Config:
    """Refines scores, boxes and masks with shape-aware RoIAlign, alpha 1."""
    value = maskrcnn_benchmark()
    value.model.backbone.depth = depth
    return _refined(value)


def mr_rcnn_x101() -> Config:
    """The same on ResNeXt-101-32x8d."""
    return _refined(mask_rcnn_x101())


def _refined(value: Config) -> Config:
    value.model.refine.enabled = True
    train = value.train
    train.steps = 9000
    train.batch_size = train.base_batch = 16
    train.learning_rate = 0.002
    train.decay_at = (6000,)
    return value


def row(table, row, metrics, *, line, data="COCO val2017") -> PublishedRow:
    """A row of one of the paper's tables."""
    return PublishedRow(
        paper="MR R-CNN",
        table=table,
        row=row,
        data=data,
        metrics=metrics,
        line=line,
    )
