"""A small Mask R-CNN and a batch for it."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from tfmask.config import (
    AnchorConfig,
    BoundaryPreservingHeadConfig,
    BoxesConfig,
    EncoderDecoderHeadConfig,
    FastRCNNHeadConfig,
    FCNMaskHeadConfig,
    FPNConfig,
    MaskConfig,
    ModelConfig,
    PostprocessConfig,
    ResNetConfig,
    RoIConfig,
    RPNConfig,
)
from tfmask.models.build import build_model

_HEADS = {
    "fcn": FCNMaskHeadConfig,
    "boundary_preserving": BoundaryPreservingHeadConfig,
    "encoder_decoder": EncoderDecoderHeadConfig,
}


def small_mask(head="fcn", **changes) -> MaskConfig:
    """A small mask branch: its head's tag, fields of that head and of the branch."""
    options = {"channels": 32, "conv_layers": 2} | changes
    own = {field.name for field in dataclasses.fields(_HEADS[head])}
    branch = {field.name for field in dataclasses.fields(MaskConfig)}
    assert set(changes) <= own | branch, set(changes) - own - branch
    return MaskConfig(
        head=_HEADS[head](**{k: v for k, v in options.items() if k in own}),
        **{k: v for k, v in changes.items() if k in branch},
    )


def small_boxes(**changes) -> BoxesConfig:
    """A small box branch; `changes`: fields of its head."""
    return BoxesConfig(head=FastRCNNHeadConfig(fc_units=64, **changes))


def small_config(**changes) -> ModelConfig:
    config = ModelConfig(
        num_classes=3,
        backbone=ResNetConfig(depth=10, width=16, norm="bn", freeze_at=0),
        neck=FPNConfig(channels=32),
        anchors=AnchorConfig(sizes=(8.0, 16.0, 32.0, 64.0, 128.0)),
        rpn=RPNConfig(
            channels=32,
            pre_nms_train=100,
            post_nms_train=60,
            pre_nms_test=100,
            post_nms_test=40,
        ),
        roi=RoIConfig(batch=32),
        boxes=small_boxes(),
        mask=small_mask(),
        postprocess=PostprocessConfig(score_threshold=0.0, max_detections=20),
    )
    for name, value in changes.items():
        setattr(config, name, value)
    return config


def small_model(seed=0, precision="float32", **changes):
    keras.utils.set_random_seed(seed)
    return build_model(small_config(**changes), precision)


def change(part, rule: str, **fields) -> None:
    """Gives fields of one of a part's rules other values."""
    setattr(part, rule, dataclasses.replace(getattr(part, rule), **fields))


def samples_of(outputs):
    """The samples of the first box stage in what a training call returned."""
    return outputs["stages"][0].samples


def small_batch(seed=0, images=2, size=64, instances=3):
    """Images with bright boxes on a dark ground; instance 2 of image 1 is padding."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 60, (images, size, size, 3)).astype(np.uint8)
    corner = rng.integers(0, size // 2, (images, instances, 2))
    boxes = np.concatenate(
        [corner, corner + rng.integers(8, size // 2, (images, instances, 2))], -1
    )
    labels = rng.integers(1, 4, (images, instances))
    for b, n in np.ndindex(images, instances):
        x1, y1, x2, y2 = boxes[b, n]
        pixels[b, y1:y2, x1:x2] = 80 * labels[b, n]
    valid = np.ones((images, instances), bool)
    if images > 1:
        valid[1, -1], boxes[1, -1], labels[1, -1] = False, 0, 0
    return {
        "images": tf.constant(pixels),
        "image_sizes": tf.constant([[size, size]] * images, tf.int32),
        "stream_index": tf.range(images, dtype=tf.int64),
        "boxes": tf.constant(boxes, tf.float32),
        "labels": tf.constant(labels, tf.int32),
        "masks": tf.fill([images, instances, 112, 112], tf.constant(255, tf.uint8)),
        "crowd": tf.zeros([images, instances], tf.bool),
        "valid": tf.constant(valid),
    }


def losses_and_gradients(model, batch):
    with tf.GradientTape() as tape:
        terms = model.compute_losses(model(batch, training=True), batch)
        total = tf.add_n(list(terms.values()))
    return terms, tape.gradient(total, model.trainable_variables)
