"""Names of Detectron2: its detectors, and the ImageNet trunks that it starts from."""

from tfmask.config import ModelConfig
from tfmask.weights.dialects import iemask
from tfmask.weights.layouts import SAME, TORCH_CONV, TORCH_DENSE, FlatRoI
from tfmask.weights.readers.torch_file import read_checkpoint
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

# The residual networks that MSRA released for Caffe, as Detectron repacked them.
_MSRA = Trunk("bgr", (1.0, 1.0, 1.0), stride_in_1x1=True)
# Facebook's ResNeXt-101-32x8d for Caffe2.
_RESNEXT = Trunk("bgr", (58.395, 57.12, 57.375), stride_in_1x1=False)

_ORIGINAL = {
    "channel_order": "bgr",
    "inclusive_boxes": False,
    "anchors.rounding": "none",
    "rpn.min_size": 0.0,
    "pool.aligned": True,
    "pool.sampling_ratio": 0,
    "neck.global_fusion": "concat",
    "neck.convolve_p2": False,
    "neck.convolve_before_fusion": False,
    "boxes.head.background_row": False,
    "mask.head.background_channel": False,
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
    name = prefix + "res{stage}.{block}.{conv}."
    return (
        Rule(
            "backbone/stem/kernel",
            prefix + "stem.conv1.weight",
            stem_layout(TORCH_CONV, settings, None),
        ),
        *norm_rules(
            "backbone/stem", prefix + "stem.conv1.norm.{stat}", {}, settings, 1e-5
        ),
        # Of a deformable convolution: the one that predicts its displacements.
        *layer_rules(
            "backbone/res{stage}_{block}/conv2/offset",
            prefix + "res{stage}.{block}.conv2_offset.{what}",
            TORCH_CONV,
        ),
        Rule(block + "/kernel", name + "weight", TORCH_CONV),
        *norm_rules(block, name + "norm.{stat}", {}, settings, 1e-5),
    )


def caffe2_trunk(settings: ModelConfig) -> Trunk:
    """What the trunks under Caffe2's names were trained with."""
    return _RESNEXT if setting(settings, "backbone.groups", 1) > 1 else _MSRA


def caffe2_backbone(settings: ModelConfig, epsilon: float = 1e-5) -> tuple[Rule, ...]:
    """ResNet under Caffe2's names, with the statistics folded into scale and offset."""
    branches = {
        "conv1": "branch2a",
        "conv2": "branch2b",
        "conv3": "branch2c",
        "shortcut": "branch1",
    }
    block, name = "backbone/res{stage}_{block}/{conv}", "res{stage}_{block}_{conv}_"
    # Networks with group normalisation come from another training, under this name.
    norm = "gn" if setting(settings, "backbone.norm") == "gn" else "bn"
    stem = "conv1_gn" if norm == "gn" else "res_conv1_bn"
    words = {"conv": branches}
    stats = {"gamma": "s", "beta": "b"}
    trunk = caffe2_trunk(settings)
    return (
        Rule(
            "backbone/stem/kernel", "conv1_w", stem_layout(TORCH_CONV, settings, trunk)
        ),
        *norm_rules("backbone/stem", stem + "_{stat}", {}, settings, epsilon, stats),
        Rule(block + "/kernel", name + "w", TORCH_CONV, words),
        *norm_rules(block, name + norm + "_{stat}", words, settings, epsilon, stats),
    )


def neck() -> tuple[Rule, ...]:
    """Feature pyramid, with or without normalisation."""
    layer, name = "neck/fpn_{kind}{level}", "backbone.fpn_{kind}{level}."
    return (
        *layer_rules(layer, name + "{what}", TORCH_CONV),
        *norm_rules(layer, name + "norm.{stat}", {}, None, 1e-5),
    )


def necks(settings: ModelConfig) -> tuple[Rule, ...]:
    """The model's neck first: both have lateral convolutions, under two names."""
    plain, enhanced = neck(), iemask.neck("backbone.")
    weighted = setting(settings, "neck.channel_enhancement", False)
    return (*enhanced, *plain) if weighted else (*plain, *enhanced)


def rpn_head() -> tuple[Rule, ...]:
    """Proposal head."""
    names = {
        "conv": "conv",
        "objectness": "objectness_logits",
        "deltas": "anchor_deltas",
    }
    name = "proposal_generator.rpn_head.{layer}.{what}"
    return layer_rules("rpn_head/{layer}", name, TORCH_CONV, words={"layer": names})


def box_heads(settings: ModelConfig, classes, stages: int) -> tuple[Rule, ...]:
    """Box heads; the background is the last class and has no box.

    Args:
      settings: the model's.
      classes: see rules.class_layers.
      stages: 1, or the number of box stages of a cascade, whose heads are numbered.
    """
    flat = FlatRoI(setting(settings, "boxes.head.pool_size", 7), TORCH_DENSE)
    rules: tuple[Rule, ...] = ()
    for head, number in box_head_names(stages):
        index = "" if stages == 1 else f"{number}."
        hidden = f"roi_heads.box_head.{index}"
        predictor = f"roi_heads.box_predictor.{index}"
        rules += (
            *layer_rules(f"{head}/fc1", hidden + "fc1.{what}", flat),
            *layer_rules(head + "/fc{index}", hidden + "fc{index}.{what}", TORCH_DENSE),
            *layer_rules(
                f"{head}/class_logits",
                predictor + "cls_score.{what}",
                classes["class_logits"](TORCH_DENSE),
                classes["class_logits"](SAME),
            ),
            *layer_rules(
                f"{head}/deltas",
                predictor + "bbox_pred.{what}",
                classes["deltas"](TORCH_DENSE),
                classes["deltas"](SAME),
            ),
        )
    return tuple(rules)


def mask_head(settings: ModelConfig, classes) -> tuple[Rule, ...]:
    """Mask head, and what BMask R-CNN's has beside it.

    BMask R-CNN's release tells the two deconvolutions and predictors apart by name.
    """
    name = "roi_heads.mask_head."
    last = name
    if setting(settings, "mask.head.tag") == "boundary_preserving":
        last += "mask_"
    return (
        *layer_rules(
            "mask_head/mask_fcn{index}", name + "mask_fcn{index}.{what}", TORCH_CONV
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
            name + "boundary_fcn{index}.{what}",
            TORCH_CONV,
        ),
        *layer_rules(
            "mask_head/{layer}",
            name + "{layer}.{what}",
            TORCH_CONV,
            words={"layer": {name: name for name in _BOUNDARY_LAYERS}},
        ),
        *layer_rules(
            "mask_head/boundary_predictor",
            name + "boundary_predictor.{what}",
            classes["predictor"](TORCH_CONV),
            classes["predictor"](SAME),
        ),
    )


def dialects(settings: ModelConfig) -> tuple[Dialect, ...]:
    """Detectors, ImageNet trunk under Detectron2's names, and under Caffe2's."""
    classes = class_layers(settings, "last", "none", "none")
    common = (
        *backbone("backbone.bottom_up.", settings),
        *necks(settings),
        *rpn_head(),
        *mask_head(settings, classes),
        *iemask.mask_head("roi_heads.mask_head."),
    )
    buffers = r"pixel_(mean|std)|proposal_generator\.anchor_generator\..*"
    buffers += rf"|.*\.num_batches_tracked|{iemask.UNUSED}"
    return (
        *(
            Dialect(
                detector_name(stages),
                (*common, *box_heads(settings, classes, stages)),
                buffers,
                box_stages=stages,
                original=_ORIGINAL,
            )
            for stages in box_stages(settings)
        ),
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
            caffe2_trunk(settings),
        ),
    )


FORMAT = Format(read_checkpoint, dialects)
