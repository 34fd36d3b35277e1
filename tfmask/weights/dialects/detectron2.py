"""Names of Detectron2: its detectors, and the ImageNet trunks that it starts from."""

from tfmask.config import ModelConfig
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
    stem_layout,
)

# The residual networks that MSRA released for Caffe, as Detectron repacked them.
MSRA = Trunk("bgr", (1.0, 1.0, 1.0), stride_in_1x1=True)

_ORIGINAL = {
    "channel_order": "bgr",
    "inclusive_boxes": False,
    "anchors.rounding": "none",
    "rpn.min_size": 0.0,
    "pool.aligned": True,
    "pool.sampling_ratio": 0,
    "box.background_row": False,
    "mask.background_channel": False,
}
# Of BMask R-CNN's mask head, with the names of its release.
_BOUNDARY_LAYERS = (
    "downsample",
    "mask_to_boundary",
    "boundary_to_mask",
    "mask_final_fusion",
    "boundary_deconv",
)


def backbone(prefix: str, settings: ModelConfig) -> tuple[Rule, ...]:
    """ResNet; `prefix` is `backbone.bottom_up.` in a detector, empty in a trunk."""
    block = "backbone/res{stage}_{block}/{conv}"
    theirs = prefix + "res{stage}.{block}.{conv}."
    return (
        Rule("backbone/stem/kernel", prefix + "stem.conv1.weight", TORCH_CONV),
        *norm_rules(
            "backbone/stem", prefix + "stem.conv1.norm.{stat}", {}, settings, 1e-5
        ),
        Rule(block + "/kernel", theirs + "weight", TORCH_CONV),
        *norm_rules(block, theirs + "norm.{stat}", {}, settings, 1e-5),
    )


def caffe2_backbone(settings: ModelConfig, epsilon: float = 1e-5) -> tuple[Rule, ...]:
    """ResNet under Caffe2's names, with the statistics folded into scale and offset."""
    branches = {
        "conv1": "branch2a",
        "conv2": "branch2b",
        "conv3": "branch2c",
        "shortcut": "branch1",
    }
    block, theirs = "backbone/res{stage}_{block}/{conv}", "res{stage}_{block}_{conv}_"
    # Networks with group normalisation come from another training, under this name.
    norm = "gn" if settings.backbone.norm == "gn" else "bn"
    stem = "conv1_gn" if norm == "gn" else "res_conv1_bn"
    words = {"conv": branches}
    stats = {"gamma": "s", "beta": "b"}
    return (
        Rule(
            "backbone/stem/kernel", "conv1_w", stem_layout(TORCH_CONV, settings, MSRA)
        ),
        *norm_rules("backbone/stem", stem + "_{stat}", {}, settings, epsilon, stats),
        Rule(block + "/kernel", theirs + "w", TORCH_CONV, words),
        *norm_rules(block, theirs + norm + "_{stat}", words, settings, epsilon, stats),
    )


def neck() -> tuple[Rule, ...]:
    """Feature pyramid, with or without normalisation."""
    layer, theirs = "neck/fpn_{kind}{level}", "backbone.fpn_{kind}{level}."
    return (
        *layer_rules(layer, theirs + "{what}", TORCH_CONV),
        *norm_rules(layer, theirs + "norm.{stat}", {}, None, 1e-5),
    )


def rpn_head() -> tuple[Rule, ...]:
    """Proposal head."""
    names = {
        "conv": "conv",
        "objectness": "objectness_logits",
        "deltas": "anchor_deltas",
    }
    theirs = "proposal_generator.rpn_head.{layer}.{what}"
    return layer_rules("rpn_head/{layer}", theirs, TORCH_CONV, words={"layer": names})


def box_head(settings: ModelConfig, classes) -> tuple[Rule, ...]:
    """Box head; the background is the last class and has no box."""
    hidden, predictor = "roi_heads.box_head.", "roi_heads.box_predictor."
    flat = FlatRoI(settings.box.pool_size, TORCH_DENSE)
    return (
        *layer_rules("box_head/fc1", hidden + "fc1.{what}", flat),
        *layer_rules("box_head/fc{index}", hidden + "fc{index}.{what}", TORCH_DENSE),
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


def mask_head(settings: ModelConfig, classes) -> tuple[Rule, ...]:
    """Mask head, and what BMask R-CNN's has beside it.

    BMask R-CNN's release tells the two deconvolutions and predictors apart by name.
    """
    theirs = "roi_heads.mask_head."
    last = theirs
    if settings.mask.head == "boundary_preserving":
        last += "mask_"
    return (
        *layer_rules(
            "mask_head/mask_fcn{index}", theirs + "mask_fcn{index}.{what}", TORCH_CONV
        ),
        *layer_rules("mask_head/deconv", last + "deconv.{what}", TORCH_CONV),
        *layer_rules(
            "mask_head/predictor",
            last + "predictor.{what}",
            classes["predictor"](TORCH_CONV),
            classes["predictor"](SAME),
        ),
        *layer_rules(
            "mask_head/boundary_fcn{index}",
            theirs + "boundary_fcn{index}.{what}",
            TORCH_CONV,
        ),
        *layer_rules(
            "mask_head/{layer}",
            theirs + "{layer}.{what}",
            TORCH_CONV,
            words={"layer": {name: name for name in _BOUNDARY_LAYERS}},
        ),
        *layer_rules(
            "mask_head/boundary_predictor",
            theirs + "boundary_predictor.{what}",
            classes["predictor"](TORCH_CONV),
            classes["predictor"](SAME),
        ),
    )


def encoder_decoder_head() -> tuple[Rule, ...]:
    """Mask head of IEMask R-CNN, beside the predictor that `mask_head` has.

    Its stages are sequences, in which convolutions, normalisations and activations are
    numbered through; those of the encoder start with the pooling.
    """
    rules = []
    for stage, first in (("down", 1), ("conv", 0)):
        ours = f"mask_head/{stage}{{index}}_{{place}}"
        theirs = f"roi_heads.mask_head.{stage}{{index}}.{{place}}"
        convs = {"place": {"1": str(first), "2": str(first + 3)}}
        norms = {"place": {"1": str(first + 1), "2": str(first + 4)}}
        rules += layer_rules(ours, theirs + ".{what}", TORCH_CONV, words=convs)
        rules += norm_rules(ours, theirs + ".{stat}", norms, None, 1e-5)
    return tuple(rules)


def dialects(settings: ModelConfig) -> tuple[Dialect, ...]:
    """Detector, ImageNet trunk under Detectron2's names, and under Caffe2's."""
    classes = class_layers(settings, "last", "none", "none")
    detector = (
        *backbone("backbone.bottom_up.", settings),
        *neck(),
        *rpn_head(),
        *box_head(settings, classes),
        *mask_head(settings, classes),
        *encoder_decoder_head(),
    )
    buffers = r"pixel_(mean|std)|proposal_generator\.anchor_generator\..*"
    buffers += r"|.*\.num_batches_tracked"
    return (
        Dialect("detector", detector, buffers),
        Dialect(
            "ImageNet trunk",
            backbone("", settings),
            r".*\.num_batches_tracked|stem\.fc\..*|linear\..*",
        ),
        # Caffe's first convolution has a bias that neither Detectron uses.
        Dialect(
            "Caffe2 trunk",
            caffe2_backbone(settings),
            r"fc1000_.*|conv1_b|pred_.*",
            MSRA,
        ),
    )


FORMAT = Format(read_checkpoint, dialects, _ORIGINAL)
