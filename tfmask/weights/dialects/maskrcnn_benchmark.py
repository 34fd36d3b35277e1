"""Names of maskrcnn-benchmark's detectors, Mask Scoring R-CNN among them."""

from tfmask.config import ModelConfig
from tfmask.weights.dialects import hrnet
from tfmask.weights.dialects.detectron2 import caffe2_backbone, caffe2_trunk
from tfmask.weights.dialects.torchvision import (
    STAGES,
    backbone,
    box_head,
    mask_head,
    rpn_head,
)
from tfmask.weights.layouts import SAME, TORCH_CONV, TORCH_DENSE, FlatRoI
from tfmask.weights.readers.torch_file import read_checkpoint
from tfmask.weights.rules import (
    Dialect,
    Format,
    Rule,
    class_layers,
    layer_rules,
    setting,
)

_ORIGINAL = {
    "channel_order": "bgr",
    "inclusive_boxes": True,
    "backbone.norm_epsilon": 0.0,
    "anchors.rounding": "legacy",
    "rpn.min_size": 0.0,
    "pool.aligned": False,
    "pool.sampling_ratio": 2,
    "boxes.head.background_row": True,
    "mask.head.background_channel": True,
}


def trunk_and_neck(settings: ModelConfig) -> tuple[Rule, ...]:
    """ResNet and FPN, and what HRNet's fork has in their place."""
    # Their frozen normalisation adds no epsilon.
    plain = (
        *deformable(settings),
        *backbone("backbone.body.", settings, None, "stem.", epsilon=0.0),
        *neck(),
    )
    forked = (
        *hrnet.backbone("backbone.body.", settings, None, 0.0),
        *hrnet.neck("backbone.neck."),
    )
    first = setting(settings, "neck.tag") == "hrfpn"
    return (*forked, *plain) if first else (*plain, *forked)


def deformable(settings: ModelConfig) -> tuple[Rule, ...]:
    """Deformable convolutions of a ResNet, and what predicts their displacements."""
    stages: tuple[int, ...] = ()
    if setting(settings, "backbone.deformable", "none") != "none":
        stages = setting(settings, "backbone.deformable_stages", ())
    words = {"stage": {str(stage): STAGES[str(stage)] for stage in stages}}
    layer = "backbone/res{stage}_{block}/conv2"
    name = "backbone.body.layer{stage}.{block}.conv2."
    return (
        Rule(layer + "/kernel", name + "conv.weight", TORCH_CONV, words),
        *layer_rules(
            layer + "/offset",
            name + "offset.{what}",
            TORCH_CONV,
            words={"stage": STAGES},
        ),
    )


def neck() -> tuple[Rule, ...]:
    """Feature pyramid; level 1 is the finest."""
    words = {
        "kind": {"lateral": "inner", "output": "layer"},
        "level": {"2": "1", "3": "2", "4": "3", "5": "4"},
    }
    name = "backbone.fpn.fpn_{kind}{level}.{what}"
    return layer_rules("neck/fpn_{kind}{level}", name, TORCH_CONV, words=words)


def mask_iou_head(classes) -> tuple[Rule, ...]:
    """MaskIoU head; its convolutions leave 7x7 cells."""
    hidden = "roi_heads.maskiou.feature_extractor.maskiou_"
    flat = FlatRoI(7, TORCH_DENSE)
    return (
        *layer_rules(
            "mask_iou_head/maskiou_fcn{index}", hidden + "fcn{index}.{what}", TORCH_CONV
        ),
        *layer_rules("mask_iou_head/maskiou_fc1", hidden + "fc1.{what}", flat),
        *layer_rules("mask_iou_head/maskiou_fc2", hidden + "fc2.{what}", TORCH_DENSE),
        *layer_rules(
            "mask_iou_head/maskiou",
            "roi_heads.maskiou.predictor.maskiou.{what}",
            classes["predictor"](TORCH_DENSE),
            classes["predictor"](SAME),
        ),
    )


def dialects(settings: ModelConfig) -> tuple[Dialect, ...]:
    """Detector, and the Caffe2 trunk that its training starts from."""
    classes = class_layers(settings, "first", "first", "first")
    original = dict(_ORIGINAL)
    if setting(settings, "backbone.tag") == "hrnet":
        # HRNet's fork reads red first, as its ImageNet trunks do.
        original["channel_order"] = "rgb"
    rules = (
        *trunk_and_neck(settings),
        *rpn_head("conv"),
        *box_head(
            "roi_heads.box.feature_extractor.",
            "roi_heads.box.predictor.",
            settings,
            classes,
        ),
        *mask_head(
            "roi_heads.mask.feature_extractor.mask_fcn{index}.{what}",
            {},
            "roi_heads.mask.predictor.",
            classes,
        ),
        *mask_iou_head(classes),
    )
    return (
        Dialect(
            "detector",
            rules,
            r"rpn\.anchor_generator\..*",
            box_stages=1,
            original=original,
        ),
        Dialect(
            "Caffe2 trunk",
            caffe2_backbone(settings, 0.0),
            r"fc1000_.*|conv1_b|pred_.*",
            caffe2_trunk(settings),
        ),
    )


FORMAT = Format(read_checkpoint, dialects)
