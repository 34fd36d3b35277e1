"""Names of Tensorpack's `examples/FasterRCNN`, and of its ImageNet ResNets.

Tensorpack trains in NCHW but stores TensorFlow's kernels, so that only the first dense
layer of the box head has to be turned.
"""

from tfmask.config import ModelConfig
from tfmask.weights.layouts import SAME, FlatRoI
from tfmask.weights.readers.archive import read_npz
from tfmask.weights.readers.torch_file import Source
from tfmask.weights.rules import (
    Dialect,
    Format,
    Rule,
    Trunk,
    box_head_names,
    box_stages,
    class_layers,
    detector_name,
    layer_rules,
    norm_rules,
    setting,
    stem_layout,
)

_LAYER = {"kernel": "W", "bias": "b"}
_NORM = {
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean/EMA",
    "moving_variance": "variance/EMA",
}
_GROUPS = {"2": "0", "3": "1", "4": "2", "5": "3"}
# The AlignPadding models; those without it pad like TensorFlow and have other weights.
TRUNK = Trunk("bgr", (58.395, 57.12, 57.375), stride_in_1x1=False)

_ORIGINAL = {
    "channel_order": "bgr",
    "inclusive_boxes": False,
    "anchors.rounding": "none",
    "rpn.min_size": 0.0,
    "pool.aligned": True,
    "pool.sampling_ratio": 2,
    "boxes.head.background_row": True,
    "mask.head.background_channel": False,
}


def read(path: str) -> Source:
    """Arrays of a `.npz`; some dumps keep TensorFlow's output number."""
    arrays = read_npz(path)
    return Source({k.removesuffix(":0"): v for k, v in arrays.items()}, {})


def backbone(settings: ModelConfig) -> tuple[Rule, ...]:
    """ResNet."""
    block = "backbone/res{stage}_{block}/{conv}"
    name = "group{stage}/block{block}/{conv}/"
    convs = {"conv1": "conv1", "conv2": "conv2", "conv3": "conv3"}
    words = {"stage": _GROUPS, "conv": convs | {"shortcut": "convshortcut"}}
    return (
        Rule("backbone/stem/kernel", "conv0/W", stem_layout(SAME, settings, TRUNK)),
        *norm_rules("backbone/stem", "conv0/bn/{stat}", {}, settings, 1e-5, _NORM),
        Rule(block + "/kernel", name + "W", SAME, words),
        *norm_rules(block, name + "bn/{stat}", words, settings, 1e-5, _NORM),
    )


def neck() -> tuple[Rule, ...]:
    """Feature pyramid."""
    return (
        *_layer("neck/fpn_lateral{level}", "fpn/lateral_1x1_c{level}"),
        *_layer("neck/fpn_output{level}", "fpn/posthoc_3x3_p{level}"),
    )


def rpn_head() -> tuple[Rule, ...]:
    """Proposal head."""
    return (
        *_layer("rpn_head/conv", "rpn/conv0"),
        *_layer("rpn_head/objectness", "rpn/class"),
        *_layer("rpn_head/deltas", "rpn/box"),
    )


def box_heads(settings: ModelConfig, classes, stages: int) -> tuple[Rule, ...]:
    """Box heads; the background is class 0 and has a box that nothing uses.

    Args:
      settings: the model's.
      classes: see rules.class_layers.
      stages: 1, or the number of box stages of a cascade, whose heads are numbered.
    """
    logits, deltas = classes["class_logits"](SAME), classes["deltas"](SAME)
    flat = FlatRoI(setting(settings, "boxes.head.pool_size", 7), SAME)
    rules: tuple[Rule, ...] = ()
    for head, number in box_head_names(stages):
        scope, hidden = "fastrcnn", "fastrcnn"
        if stages > 1:
            scope = f"cascade_rcnn_stage{number + 1}"
            hidden = f"{scope}/head"
        rules += (
            *_layer(f"{head}/fc1", f"{hidden}/fc6", flat, SAME),
            *_layer(f"{head}/fc2", f"{hidden}/fc7"),
            *_layer(f"{head}/class_logits", f"{scope}/outputs/class", logits, logits),
            *_layer(f"{head}/deltas", f"{scope}/outputs/box", deltas, deltas),
        )
    return rules


def mask_head(classes) -> tuple[Rule, ...]:
    """Mask head."""
    masks = classes["predictor"](SAME)
    index = {"index": {str(i): str(i - 1) for i in range(1, 9)}}
    return (
        *_layer("mask_head/mask_fcn{index}", "maskrcnn/fcn{index}", words=index),
        *_layer("mask_head/deconv", "maskrcnn/deconv"),
        *_layer("mask_head/predictor", "maskrcnn/conv", masks, masks),
    )


def _layer(layer, name, kernel=SAME, bias=SAME, words=None):
    return layer_rules(layer, name + "/{what}", kernel, bias, words, _LAYER)


def dialects(settings: ModelConfig) -> tuple[Dialect, ...]:
    """Detectors; an ImageNet trunk has the names of their trunk."""
    classes = class_layers(settings, "first", "first", "none")
    common = (*backbone(settings), *neck(), *rpn_head(), *mask_head(classes))
    ignored = r"global_step|learning_rate|linear/[Wb]|.*/AccumGrad|.*/Momentum"
    return tuple(
        Dialect(
            detector_name(stages),
            (*common, *box_heads(settings, classes, stages)),
            ignored,
            TRUNK,
            box_stages=stages,
            original=_ORIGINAL,
        )
        for stages in box_stages(settings)
    )


FORMAT = Format(read, dialects)
