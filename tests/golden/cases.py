"""The golden cases: each builds the model, runs it and compares every stored tensor."""

import cv2
import keras
import numpy as np
import tensorflow as tf
from golden.cases_bmask import bmask_head
from golden.cases_iemask import iemask_mask_head, mask_scoring_head
from golden.compare import (
    BOX,
    DEEP,
    OP,
    PIXELS,
    SCORE,
    Row,
    absolute,
    float32_norm,
    order_of,
    relative,
    unequal,
)
from golden.operations import (
    detectron2_losses,
    detectron2_roialign,
    ellipse_in_frame,
    nchw,
)
from golden.recipe import Case, load_case
from pycocotools import mask as coco_mask
from tensorflow.python.framework import config as tf_config

from tfmask.configs import lineages
from tfmask.evaluation.paste import paste_masks
from tfmask.layers.naming import named_weights
from tfmask.models.box_stages import instance_targets
from tfmask.models.build import build_model
from tfmask.structures import Targets
from tfmask.weights import importer
from tfmask.weights.convert import load_arrays
from tfmask.weights.readers.torch_file import Source

LEVELS = ("p2", "p3", "p4", "p5", "p6")
_SIZE = (256, 352)  # of the Detectron2 cases' image
_LOSSES = {
    "loss_cls": "box_class",
    "loss_box_reg": "box_regression",
    "loss_mask": "mask",
    "loss_rpn_cls": "rpn_objectness",
    "loss_rpn_loc": "rpn_box",
}
# Ground truth of the training case; classes 0, 17, 42, 79 counted from 0.
_GT_BOXES = [
    [30.5, 40.25, 150, 190.75],
    [180, 20, 260.5, 120.5],
    [60, 100, 330, 250],
    [300, 10, 344, 60],
]
_GT_LABELS = [1, 18, 43, 80]


def run(name: str) -> list[Row]:
    """Every stored tensor of a case against ours."""
    # The threads of crop_and_resize's CPU gradient lose each other's sums; training
    # orders them by op determinism, and so does this.
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    try:
        return CASES[name](load_case(name))
    finally:
        tf_config.disable_op_determinism()


def torchvision_maskrcnn(case: Case) -> list[Row]:
    options = case.options
    settings = lineages.torchvision().model
    settings.num_classes = options["num_classes"] - 1
    settings.rpn.post_nms_test = options["rpn_post_nms_top_n_test"]
    settings.postprocess.max_detections = options["box_detections_per_img"]
    settings.postprocess.score_threshold = options["box_score_thresh"]
    model = _model(case, "torchvision", settings)
    image = case.uniform("image", (3, 240, 320)).transpose(1, 2, 0)
    # min_size 256, within max_size 384; torchvision rounds sides down.
    scale = options["min_size"] / 240
    height, width = int(240 * scale), int(320 * scale)
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    images = np.zeros((1, 256, 352, 3), np.float32)
    images[0, :height, :width] = resized * 255
    sizes = tf.constant([[height, width]])
    expected = case.expected
    x = model.normalise(images, sizes)
    features, proposals = _features_and_proposals(model, images, sizes)
    names = ["fpn_0", "fpn_1", "fpn_2", "fpn_3", "fpn_pool"]
    pooled, rois = _pooled(model, features, expected["boxes_in"])
    logits, deltas = _raw_box_head(model.box_head, rois)
    masks = _raw_mask_head(model.mask_branch.head, pooled)
    boxes, scores = proposals.boxes[0].numpy(), proposals.scores[0].numpy()
    order = order_of(boxes, scores, expected["proposals"])
    shape = np.array(x.shape)[[0, 3, 1, 2]]
    return [
        absolute(
            "preprocessed_shape", shape, expected["preprocessed_shape"], 0, "pixels"
        ),
        relative(
            "preprocessed_mean",
            tf.reduce_mean(x, axis=[0, 1, 2]),
            expected["preprocessed_mean"],
            OP,
        ),
        *_compare_levels(names, features, expected),
        absolute("proposals", boxes[order], expected["proposals"], BOX, "px"),
        relative("roi7", nchw(rois)[:, ::16], expected["roi7"], DEEP),
        relative("class_logits", logits, expected["class_logits"], DEEP),
        relative("box_deltas", deltas, expected["box_deltas"], DEEP),
        relative("mask_logits", nchw(masks)[:, ::10], expected["mask_logits"], DEEP),
        *_torchvision_detections(model, images, sizes, (240, 320), expected),
    ]


def _torchvision_detections(model, images, sizes, original, expected):
    found = model({"images": images, "image_sizes": sizes})
    height, width = sizes.numpy()[0]
    stretch = np.float32([original[1] / width, original[0] / height] * 2)
    boxes = found["boxes"][0].numpy() * stretch
    scores = found["scores"][0].numpy()
    order = order_of(boxes, scores, expected["det_boxes"])
    masks = found["masks"][0].numpy()[order][:8]
    boxes = boxes[order]
    theirs = np.stack(
        [_torchvision_paste(m, b, original) for m, b in zip(masks, boxes)]
    )
    ours = _pasted(masks, boxes[:8], original)[:, ::4, ::4]
    wanted = expected["det_masks"]
    return [
        absolute("det_boxes", boxes, expected["det_boxes"], BOX, "px"),
        absolute("det_scores", scores[order], expected["det_scores"], SCORE, "score"),
        unequal(
            "det_labels",
            found["labels"][0].numpy()[order][None],
            expected["det_labels"][None],
            0,
            "unequal",
        ),
        absolute(
            "det_masks, pasted by torchvision's rule",
            theirs[:, ::4, ::4],
            wanted,
            SCORE,
            "probability",
        ),
        unequal(
            "det_masks, pasted by ours",
            ours[None],
            wanted[None] >= 0.5,
            PIXELS,
            "of pixels",
        ),
    ]


def _torchvision_paste(mask, box, size):
    """Probabilities in the image; torchvision rounds the enlarged box to pixels."""
    padded = np.pad(mask, 1)
    side = len(padded)
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    half = half * np.float32(side / len(mask))
    x1, y1, x2, y2 = np.concatenate([middle - half, middle + half]).astype(np.int64)
    width, height = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    grown = cv2.resize(
        padded, (int(width), int(height)), interpolation=cv2.INTER_LINEAR
    )
    image = np.zeros(size, np.float32)
    left, right = max(x1, 0), min(x1 + width, size[1])
    top, bottom = max(y1, 0), min(y1 + height, size[0])
    inner = grown[top - y1 : bottom - y1, left - x1 : right - x1]
    image[top:bottom, left:right] = inner
    return image


def detectron2_mask_rcnn(case: Case) -> list[Row]:
    settings = lineages.detectron2().model
    settings.num_classes = 80
    settings.rpn.pre_nms_test = settings.rpn.post_nms_test = 200
    settings.postprocess.max_detections = 50
    model = _model(case, "detectron2", settings)
    images, sizes = _detectron2_image(case), tf.constant([_SIZE])
    expected = case.expected
    features, proposals = _features_and_proposals(model, images, sizes)
    pooled, rois = _pooled(model, features, expected["boxes_in"])
    logits, deltas = _raw_box_head(model.box_head, rois)
    logits = np.roll(logits, -1, axis=1)  # there the background is last
    masks = _raw_mask_head(model.mask_branch.head, pooled)
    boxes, scores = proposals.boxes[0].numpy(), proposals.scores[0].numpy()
    order = order_of(boxes, scores, expected["proposals"])
    found = model({"images": images, "image_sizes": sizes})
    found = {k: v[0].numpy() for k, v in found.items()}
    best = order_of(found["boxes"], found["scores"], expected["det_boxes"])
    detected = found["boxes"][best]
    wanted = np.unpackbits(expected["det_masks"]).reshape(8, 128, 176)
    ours = _pasted(found["masks"][best][:8], detected[:8], _SIZE)[:, ::2, ::2]
    labels, classes = found["labels"][best] - 1, expected["det_classes"]
    return [
        *_compare_levels([f"fpn_{p}" for p in LEVELS], features, expected),
        absolute("proposals", boxes[order], expected["proposals"], BOX, "px"),
        relative("objectness", scores[order], expected["objectness"], DEEP),
        relative("roi7", nchw(rois)[:, ::16], expected["roi7"], DEEP),
        relative("roi14", nchw(pooled)[:, ::64], expected["roi14"], DEEP),
        relative("class_logits", logits, expected["class_logits"], DEEP),
        relative("box_deltas", deltas, expected["box_deltas"], DEEP),
        relative("mask_logits", nchw(masks)[:, ::10], expected["mask_logits"], DEEP),
        absolute("det_boxes", detected, expected["det_boxes"], BOX, "px"),
        absolute(
            "det_scores", found["scores"][best], expected["det_scores"], SCORE, "score"
        ),
        unequal("det_classes", labels[None], classes[None], 0, "unequal"),
        unequal("det_masks", ours[None], wanted[None], PIXELS, "of pixels"),
    ]


def detectron2_training(case: Case) -> list[Row]:
    settings = lineages.detectron2().model
    settings.num_classes = 80
    # Nothing is sampled away, nothing frozen.
    settings.rpn.pre_nms_train = settings.rpn.post_nms_train = 200
    settings.rpn.batch = settings.roi.batch = 100000
    settings.rpn.fg_fraction = settings.roi.fg_fraction = 1.0
    settings.backbone.freeze_at = 0
    model = _model(case, "detectron2", settings)
    weights = named_weights(model)
    dialect = importer.FORMATS["detectron2"].dialects(settings)[0]
    rules = {name: (rule, path) for path, rule, name in _rules(dialect, weights)}
    norms = [key for key in case.expected if key.startswith("gradnorm/")]
    watched = [rules[key.removeprefix("gradnorm/")] for key in norms]
    batch = _training_batch(case, resolution=224)
    with tf.GradientTape() as tape:
        outputs = model(batch, training=True)
        losses = model.compute_losses(outputs, batch)
        total = tf.add_n(list(losses.values()))
    gradients = tape.gradient(total, [weights[path] for _, path in watched])
    rows = [
        relative(theirs, losses[ours], case.expected[theirs], DEEP)
        for theirs, ours in _LOSSES.items()
    ]
    default = _training_batch(case, resolution=112)
    targets = Targets(*(default[name] for name in Targets._fields))
    boxes = outputs["mask_rois"].boxes
    wanted = instance_targets(outputs["samples"], targets, boxes)
    loss = model.mask_branch.losses(outputs["masks"], wanted)["mask"]
    name = "loss_mask, mask_resolution 112"
    rows.append(relative(name, loss, case.expected["loss_mask"], DEEP))
    for key, (rule, _), gradient in zip(norms, watched, gradients):
        norm = float32_norm(rule.layout.store(gradient.numpy()))
        rows.append(relative(key, norm, case.expected[key], DEEP))
    return rows


def _rules(dialect, weights):
    for path in weights:
        rule, name = importer.find_rule(dialect, path)
        if rule:
            yield path, rule, name


def _training_batch(case, resolution):
    boxes = np.float32(_GT_BOXES)
    masks = [ellipse_in_frame(box, *_SIZE, box, resolution) for box in boxes]
    batch = {
        "images": _detectron2_image(case),
        "image_sizes": [_SIZE],
        "boxes": boxes[None],
        "labels": np.int32([_GT_LABELS]),
        "masks": np.stack(masks)[None],
        "crowd": np.zeros((1, len(boxes)), bool),
        "valid": np.ones((1, len(boxes)), bool),
        "stream_index": np.zeros(1, np.int64),
    }
    return {key: tf.constant(value) for key, value in batch.items()}


# --- shared -------------------------------------------------------------------------


def _model(case, format_name, settings):
    model = build_model(settings)
    source = Source(case.parameters(), {})
    load_arrays(model, settings, format_name, source, where=case.name)
    return model


def _detectron2_image(case):
    """The blue-first image of the recipe as our red-first input."""
    image = np.floor(255 * case.uniform("image_bgr", (3, *_SIZE)))
    return np.ascontiguousarray(image.transpose(1, 2, 0)[None, ..., ::-1], np.float32)


def _features_and_proposals(model, images, sizes):
    features = model.neck(model.backbone(model.normalise(images, sizes)))
    pyramid = [features[name] for name in LEVELS]
    logits, deltas = model.rpn_head(pyramid)
    anchors = model.proposer.anchors(pyramid, images)
    return features, model.proposer.propose(logits, deltas, anchors, sizes, False)


def _compare_levels(names, features, expected):
    return [
        relative(name, nchw(features[level])[:, ::16], expected[name], DEEP)
        for name, level in zip(names, LEVELS)
    ]


def _pooled(model, features, boxes):
    """Roi features of the mask head and of the box head."""
    images = np.zeros(len(boxes), np.int32)
    masks = model.mask_branch.pools["mask"].pool(features, boxes, images)
    return masks, model.box_pool.pool(features, boxes, images)


def _raw_box_head(head, rois):
    """Logits and flat deltas as the last layers have them, background included."""
    x = tf.reshape(rois, [len(rois), -1])
    for layer in head.fcs:
        x = layer(x)
    return head.class_logits(x).numpy(), head.deltas(x).numpy()


def _raw_mask_head(head, x):
    for layer in (*head.convs, head.deconv, head.predictor):
        x = layer(x)
    return x


def _pasted(masks, boxes, size):
    return np.stack(
        [coco_mask.decode(code) for code in paste_masks(masks, boxes, size)]
    )


CASES = {
    "torchvision_maskrcnn_r50_fpn": torchvision_maskrcnn,
    "detectron2_mask_rcnn_r50_fpn": detectron2_mask_rcnn,
    "detectron2_train_mask_rcnn_r50_fpn": detectron2_training,
    "detectron2_roialign": detectron2_roialign,
    "detectron2_losses": detectron2_losses,
    "bmask_head": bmask_head,
    "iemask_mask_head": iemask_mask_head,
    "mask_scoring_head": mask_scoring_head,
}
