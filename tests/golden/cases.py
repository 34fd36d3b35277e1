"""The golden cases: each builds the model, runs it and compares every stored tensor."""

import cv2
import keras
import numpy as np
import tensorflow as tf
from golden.cases_bmask import bmask_head
from golden.cases_detectron2 import (
    detectron2_cascade_training,
    detectron2_inference,
    detectron2_training,
)
from golden.cases_iemask import iemask_mask_head, mask_scoring_head
from golden.cases_parts import deform_conv, hrnet, iemask_fpn
from golden.compare import (
    BOX,
    DEEP,
    OP,
    PIXELS,
    SCORE,
    Row,
    absolute,
    order_of,
    relative,
    unequal,
)
from golden.operations import detectron2_losses, detectron2_roialign, nchw
from golden.recipe import Case, load_case
from golden.whole_models import (
    compare_levels,
    features_and_proposals,
    imported_model,
    pasted,
    pooled,
    raw_box_head,
    raw_mask_head,
)
from tensorflow.python.framework import config as tf_config

from tfmask.configs import lineages


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
    model = imported_model(case, "torchvision", settings)
    image = case.uniform("image", (3, 240, 320)).transpose(1, 2, 0)
    # min_size 256, within max_size 384; torchvision rounds sides down.
    scale = options["min_size"] / 240
    height, width = int(240 * scale), int(320 * scale)
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    images = np.zeros((1, 256, 352, 3), np.float32)
    images[0, :height, :width] = resized * 255
    sizes = tf.constant([[height, width]])
    expected = case.expected
    x = model.normalization([images, sizes])
    features, proposals = features_and_proposals(model, images, sizes)
    names = ["fpn_0", "fpn_1", "fpn_2", "fpn_3", "fpn_pool"]
    mask_rois, rois = pooled(model, features, expected["boxes_in"])
    logits, deltas = raw_box_head(model, rois)
    masks = raw_mask_head(model, mask_rois)
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
        *compare_levels(names, features, expected),
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
    ours = pasted(masks, boxes[:8], original)[:, ::4, ::4]
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


CASES = {
    "torchvision_maskrcnn_r50_fpn": torchvision_maskrcnn,
    "detectron2_mask_rcnn_r50_fpn": detectron2_inference,
    "detectron2_cascade_mask_rcnn_r50_fpn": detectron2_inference,
    "detectron2_mask_rcnn_x101_32x8d_fpn": detectron2_inference,
    "detectron2_train_mask_rcnn_r50_fpn": detectron2_training,
    "detectron2_train_cascade_mask_rcnn_r50_fpn": detectron2_cascade_training,
    "detectron2_roialign": detectron2_roialign,
    "detectron2_losses": detectron2_losses,
    "bmask_head": bmask_head,
    "iemask_mask_head": iemask_mask_head,
    "mask_scoring_head": mask_scoring_head,
    "iemask_fpn_square": iemask_fpn,
    "iemask_fpn_wide": iemask_fpn,
    "hrnet_w32": hrnet,
    "deform_conv": deform_conv,
}
