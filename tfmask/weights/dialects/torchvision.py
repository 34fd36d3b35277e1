"""Names of torchvision: ImageNet ResNets, and `maskrcnn_resnet50_fpn`."""

from tfmask.config import ModelConfig
from tfmask.weights.classes import coco
from tfmask.weights.layouts import SAME, TORCH_CONV, TORCH_DENSE, FlatRoI
from tfmask.weights.readers.torch_file import read_checkpoint
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

STAGES = {"2": "1", "3": "2", "4": "3", "5": "4"}
_CONVS = {"conv1": "conv1", "conv2": "conv2", "conv3": "conv3"}
_CONVS |= {"shortcut": "downsample.0"}
_NORMS = {"conv1": "bn1", "conv2": "bn2", "conv3": "bn3", "shortcut": "downsample.1"}
TRUNK = Trunk("rgb", (58.395, 57.12, 57.375), stride_in_1x1=False)

# Settings in which the released detector differs from other lineages.
_ORIGINAL = {
    "channel_order": "rgb",
    "inclusive_boxes": False,
    "anchors.rounding": "integer",
    "rpn.min_size": 1e-3,
    "pool.aligned": False,
    "pool.sampling_ratio": 2,
    "boxes.head.background_row": True,
    "mask.head.background_channel": True,
}


def backbone(
    prefix: str,
    settings: ModelConfig,
    trunk: Trunk | None = TRUNK,
    stem: str = "",
    epsilon: float = 1e-5,
) -> tuple[Rule, ...]:
    """ResNet under torchvision's names.

    Args:
      prefix: before every name, e.g. `backbone.body.`.
      settings: of the model that is loaded.
      trunk: what it was trained with.
      stem: before the names of the first convolution and its norm.
      epsilon: of their normalisation.
    """
    block = "backbone/res{stage}_{block}/{conv}"
    name = prefix + "layer{stage}.{block}.{conv}."
    first = prefix + stem
    return (
        Rule(
            "backbone/stem/kernel",
            first + "conv1.weight",
            stem_layout(TORCH_CONV, settings, trunk),
        ),
        *norm_rules("backbone/stem", first + "bn1.{stat}", {}, settings, epsilon),
        Rule(
            block + "/kernel",
            name + "weight",
            TORCH_CONV,
            {"stage": STAGES, "conv": _CONVS},
        ),
        *norm_rules(
            block,
            name + "{stat}",
            {"stage": STAGES, "conv": _NORMS},
            settings,
            epsilon,
        ),
    )


def neck(inner: str) -> tuple[Rule, ...]:
    """Feature pyramid; `inner` is `.0` where each convolution sits in a block."""
    levels = {"level": {"2": "0", "3": "1", "4": "2", "5": "3"}}
    return tuple(
        rule
        for kind, word in (("lateral", "inner"), ("output", "layer"))
        for rule in layer_rules(
            f"neck/fpn_{kind}{{level}}",
            f"backbone.fpn.{word}_blocks.{{level}}{inner}.{{what}}",
            TORCH_CONV,
            words=levels,
        )
    )


def rpn_head(conv: str) -> tuple[Rule, ...]:
    """Proposal head; `conv` is the name of its 3x3 convolution."""
    names = (("conv", conv), ("objectness", "cls_logits"), ("deltas", "bbox_pred"))
    return tuple(
        rule
        for layer, word in names
        for rule in layer_rules(
            f"rpn_head/{layer}", f"rpn.head.{word}.{{what}}", TORCH_CONV
        )
    )


def box_head(hidden: str, predictor: str, settings, classes) -> tuple[Rule, ...]:
    """Box head; the arguments are the prefixes of hidden layers and outputs."""
    flat = FlatRoI(setting(settings, "boxes.head.pool_size", 7), TORCH_DENSE)
    return (
        *layer_rules("box_head/fc1", hidden + "fc6.{what}", flat),
        *layer_rules("box_head/fc2", hidden + "fc7.{what}", TORCH_DENSE),
        *layer_rules(
            "box_head/class_logits",
            predictor + "cls_score.{what}",
            classes["class_logits"](TORCH_DENSE),
            classes["class_logits"](SAME),
        ),
        *layer_rules(
            "box_head/deltas",
            predictor + "bbox_pred.{what}",
            classes["deltas"](TORCH_DENSE),
            classes["deltas"](SAME),
        ),
    )


def mask_head(hidden: str, words: dict, predictor: str, classes) -> tuple[Rule, ...]:
    """Mask head; `hidden` is a pattern with `{index}`, numbered through `words`."""
    return (
        *layer_rules("mask_head/mask_fcn{index}", hidden, TORCH_CONV, words=words),
        *layer_rules("mask_head/deconv", predictor + "conv5_mask.{what}", TORCH_CONV),
        *layer_rules(
            "mask_head/predictor",
            predictor + "mask_fcn_logits.{what}",
            classes["predictor"](TORCH_CONV),
            classes["predictor"](SAME),
        ),
    )


def dialects(settings: ModelConfig) -> tuple[Dialect, ...]:
    """Detector as of today, detector of the released file, ImageNet classifier."""
    keep = tuple(i - 1 for i in coco().ids) if settings.num_classes == 80 else ()
    classes = class_layers(settings, "first", "first", "first", keep, 90)
    body = backbone("backbone.body.", settings)
    heads = box_head(
        "roi_heads.box_head.", "roi_heads.box_predictor.", settings, classes
    )
    today = (
        *body,
        *neck(".0"),
        *rpn_head("conv.0.0"),
        *heads,
        *mask_head(
            "roi_heads.mask_head.{index}.0.{what}",
            {"index": {str(i): str(i - 1) for i in range(1, 9)}},
            "roi_heads.mask_predictor.",
            classes,
        ),
    )
    # The file on the download server is older than the nesting of today's modules.
    released = (
        *body,
        *neck(""),
        *rpn_head("conv"),
        *heads,
        *mask_head(
            "roi_heads.mask_head.mask_fcn{index}.{what}",
            {},
            "roi_heads.mask_predictor.",
            classes,
        ),
    )
    counters = r".*\.num_batches_tracked"
    return (
        *(
            Dialect(name, rules, counters, TRUNK, 1, _ORIGINAL)
            for name, rules in (
                ("maskrcnn_resnet50_fpn", today),
                ("maskrcnn_resnet50_fpn (released file)", released),
            )
        ),
        Dialect(
            "ImageNet ResNet",
            backbone("", settings),
            counters + r"|.*bn\d\.num_batches_tracked|fc\.(weight|bias)",
            TRUNK,
        ),
    )


FORMAT = Format(read_checkpoint, dialects)
