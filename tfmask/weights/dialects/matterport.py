"""Names of matterport's Mask_RCNN, `mask_rcnn_coco.h5` and what it trained.

Its convolutions have biases and its heads normalise; both are affine where the
statistics stand still, as in that code, and become weights of layers that we have.
What does not carry over is how features are read: its RoIAlign samples each bin once,
on a grid from corner to corner of the box, and the pooling of its stem pads on the
right and below alone. A detector is therefore a start for training, not the original.
"""

import numpy as np

from tfmask.config import ModelConfig
from tfmask.errors import WeightsError
from tfmask.weights.dialects.keras_applications import fold_biases, unfold_biases
from tfmask.weights.layouts import SAME, Anchors, BoxOrder, Flat
from tfmask.weights.readers.hdf5 import read_keras_h5
from tfmask.weights.readers.torch_file import Source
from tfmask.weights.rules import (
    Dialect,
    Format,
    Rule,
    Trunk,
    class_layers,
    layer_rules,
    norm_rules,
    setting,
    stem_layout,
)

# Keras's default of that time.
_EPSILON = 1e-3
_TRUNK = Trunk("rgb", (1.0, 1.0, 1.0), stride_in_1x1=True)
_NORM = {name: name for name in ("gamma", "beta", "moving_mean", "moving_variance")}
_LAYER = {"kernel": "kernel", "bias": "bias"}
_UNITS = {str(i): chr(ord("a") + i) for i in range(26)}
_CONVS = {"conv1": "2a", "conv2": "2b", "conv3": "2c", "shortcut": "1"}
# The normalisation after each convolution of the heads.
_HEAD_NORMS = {f"mrcnn_class_conv{i}": f"mrcnn_class_bn{i}" for i in (1, 2)}
_HEAD_NORMS |= {f"mrcnn_mask_conv{i}": f"mrcnn_mask_bn{i}" for i in range(1, 5)}
_OBJECTNESS = "rpn_class_raw"
# RPN_BBOX_STD_DEV: its proposal deltas are multiplied by this before they are used.
_RPN_SCALE = (0.1, 0.1, 0.2, 0.2)

_ORIGINAL = {
    "channel_order": "rgb",
    "inclusive_boxes": True,
    "anchors.ratios": (0.5, 1.0, 2.0),
    "anchors.rounding": "none",
    "rpn.channels": 512,
    "rpn.min_size": 0.0,
    "pool.aligned": False,
    "pool.sampling_ratio": 1,
    "boxes.head.background_row": True,
    "mask.head.background_channel": True,
}

_CAVEATS = {
    "backbone": "matterport's stem pads its pooling on the right and below alone, ours "
    "on all sides: train on before use",
    "box_head": "matterport's code reads rois on a grid from corner to corner, ours "
    "bin by bin: train on before use; the normalisations of its heads are now part of "
    "the layers before them",
}


def read(path: str) -> Source:
    """Arrays of a weight file or whole model that Keras 2 wrote.

    Raises:
      WeightsError: unreadable, or without a layer that only matterport's models have.
    """
    arrays = read_keras_h5(path)
    if "fpn_c5p5/kernel" not in arrays:
        raise WeightsError(
            f"{path}: has no fpn_c5p5/kernel, which every model of matterport's "
            "Mask_RCNN has; use keras_applications:PATH for a trunk alone"
        )
    return Source(arrays, {})


def prepare(arrays: dict) -> dict:
    """Normalisations and biases become part of layers that we have too."""
    ready = fold_biases(arrays)
    for conv, norm in _HEAD_NORMS.items():
        if f"{norm}/gamma" not in ready or f"{conv}/kernel" not in ready:
            continue
        gamma, beta, mean, variance = (
            ready.pop(f"{norm}/{stat}").astype(np.float64) for stat in _NORM
        )
        scale = gamma / np.sqrt(variance + _EPSILON)
        kernel, bias = ready[f"{conv}/kernel"], ready[f"{conv}/bias"]
        ready[f"{conv}/kernel"] = (kernel * scale).astype(np.float32)
        ready[f"{conv}/bias"] = ((bias - mean) * scale + beta).astype(np.float32)
    for name in (f"{_OBJECTNESS}/kernel", f"{_OBJECTNESS}/bias"):
        if name in ready:
            # softmax(background, object) is sigmoid(object - background)
            pairs = ready[name].reshape(*ready[name].shape[:-1], -1, 2)
            ready[name] = pairs[..., 1] - pairs[..., 0]
    return ready


def restore(arrays: dict) -> dict:
    """The inverse: biases of zero, normalisations that change nothing."""
    full = unfold_biases(arrays)
    for conv, norm in _HEAD_NORMS.items():
        if f"{conv}/bias" in full:
            zero = np.zeros_like(full[f"{conv}/bias"])
            full[f"{norm}/gamma"] = zero + 1
            full[f"{norm}/beta"] = full[f"{norm}/moving_mean"] = zero
            full[f"{norm}/moving_variance"] = zero + np.float32(1 - _EPSILON)
    for name in (f"{_OBJECTNESS}/kernel", f"{_OBJECTNESS}/bias"):
        if name in full:
            pairs = np.stack([np.zeros_like(full[name]), full[name]], axis=-1)
            full[name] = pairs.reshape(*full[name].shape[:-1], -1)
    return full


def backbone(settings: ModelConfig) -> tuple[Rule, ...]:
    """ResNet, with the names that Keras's ResNet-50 had in 2016."""
    block, name = "backbone/res{stage}_{unit}/{conv}", "{stage}{unit}_branch{conv}"
    words = {"unit": _UNITS, "conv": _CONVS}
    return (
        Rule(
            "backbone/stem/kernel", "conv1/kernel", stem_layout(SAME, settings, _TRUNK)
        ),
        *norm_rules("backbone/stem", "bn_conv1/{stat}", {}, settings, _EPSILON, _NORM),
        Rule(block + "/kernel", f"res{name}/kernel", SAME, words),
        *norm_rules(block, f"bn{name}/{{stat}}", words, settings, _EPSILON, _NORM),
    )


def neck() -> tuple[Rule, ...]:
    """Feature pyramid; the level stands twice in the name of a lateral convolution."""
    rules = []
    for level in "2345":
        rules += _layer(f"neck/fpn_lateral{level}", f"fpn_c{level}p{level}")
    return (*rules, *_layer("neck/fpn_output{level}", "fpn_p{level}"))


def rpn_head() -> tuple[Rule, ...]:
    """Proposal head; the ratios of its anchors are width over height."""
    deltas = Anchors(4, BoxOrder(_RPN_SCALE))
    return (
        *_layer("rpn_head/conv", "rpn_conv_shared"),
        *_layer("rpn_head/objectness", _OBJECTNESS, Anchors(), Anchors()),
        *_layer("rpn_head/deltas", "rpn_bbox_pred", deltas, deltas),
    )


def box_head(settings: ModelConfig, classes) -> tuple[Rule, ...]:
    """Box head, whose hidden layers are convolutions over the whole roi feature."""
    logits, deltas = classes["class_logits"](SAME), classes["deltas"](BoxOrder())
    side = setting(settings, "boxes.head.pool_size", 7)
    return (
        *_layer("box_head/fc1", "mrcnn_class_conv1", Flat(side)),
        *_layer("box_head/fc2", "mrcnn_class_conv2", Flat()),
        *_layer("box_head/class_logits", "mrcnn_class_logits", logits, logits),
        *_layer("box_head/deltas", "mrcnn_bbox_fc", deltas, deltas),
    )


def mask_head(classes) -> tuple[Rule, ...]:
    """Mask head."""
    masks = classes["predictor"](SAME)
    return (
        *_layer("mask_head/mask_fcn{index}", "mrcnn_mask_conv{index}"),
        *_layer("mask_head/deconv", "mrcnn_mask_deconv"),
        *_layer("mask_head/predictor", "mrcnn_mask", masks, masks),
    )


def _layer(layer, name, kernel=SAME, bias=SAME):
    return layer_rules(layer, name + "/{what}", kernel, bias, names=_LAYER)


def dialects(settings: ModelConfig) -> tuple[Dialect, ...]:
    """The detector."""
    classes = class_layers(settings, "first", "first", "first")
    rules = (
        *backbone(settings),
        *neck(),
        *rpn_head(),
        *box_head(settings, classes),
        *mask_head(classes),
    )
    return (
        Dialect(
            "matterport's detector",
            rules,
            trunk=_TRUNK,
            box_stages=1,
            original=_ORIGINAL,
            caveats=_CAVEATS,
        ),
    )


FORMAT = Format(read, dialects, prepare, restore)
