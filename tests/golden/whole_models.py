"""What the whole-model cases share: models with imported weights, and their stages."""

import numpy as np
import tensorflow as tf
from golden.compare import DEEP, relative
from golden.operations import nchw
from pycocotools import mask as coco_mask

from tfmask.evaluation.paste import paste_masks
from tfmask.models.build import build_model
from tfmask.weights.convert import load_arrays
from tfmask.weights.readers.torch_file import Source

LEVELS = ("p2", "p3", "p4", "p5", "p6")


def imported_model(case, format_name, settings):
    """The model of the settings with the case's parameters."""
    model = build_model(settings)
    source = Source(case.parameters(), {})
    load_arrays(model, settings, format_name, source, where=case.name)
    return model


def features_and_proposals(model, images, sizes):
    """The pyramid by level name, and structures.Proposals of inference."""
    x = model.normalization([images, sizes])
    features = model.neck(model.backbone(x))
    anchors = model.proposals.anchors.of(features, images)
    return features, model.proposals.propose(features, anchors, sizes, False)


def compare_levels(names, features, expected):
    return [
        relative(name, nchw(features[level])[:, ::16], expected[name], DEEP)
        for name, level in zip(names, LEVELS)
    ]


def pooled(model, features, boxes):
    """Roi features of the mask head and of the box head."""
    indices = np.zeros(len(boxes), np.int32)
    heads = ((model.masks, "mask"), (model.boxes.stages[0], "box"))
    return [
        model.boxes.pooling.pool(features, owner.head.roi_specs[name], boxes, indices)
        for owner, name in heads
    ]


def raw_box_head(model, rois):
    """Logits and flat deltas as the last layers have them, background included."""
    head, x = model.boxes.stages[0].head, tf.reshape(rois, [len(rois), -1])
    for layer in head.fcs:
        x = layer(x)
    return head.class_logits(x).numpy(), head.deltas(x).numpy()


def raw_mask_head(model, x):
    head = model.masks.head
    for layer in (*head.convs, head.deconv, head.predictor):
        x = layer(x)
    return x


def pasted(masks, boxes, size):
    """Binary masks in an image of (height, width)."""
    return np.stack(
        [coco_mask.decode(code) for code in paste_masks(masks, boxes, size)]
    )
