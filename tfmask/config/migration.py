"""Settings as version 0.1 wrote them, brought to today's names."""

import copy

_REFINED = ("levels", "pool_size", "mask_to_boundary", "boundary_to_mask")


def migrate(value: dict) -> dict:
    """The plain dict of a `config.json` with the names that settings have now.

    Version 0.1 had one kind of backbone and neck, one box stage (`model.box`, its IoU
    in `model.roi`), the mask head as a word among settings of all heads, and published
    figures among the settings. What is of today is returned as it is.
    """
    model = value.get("model")
    if not isinstance(model, dict) or "box" not in model:
        return value
    value = copy.deepcopy(value)
    for name in ("published", "waits_for"):
        value.pop(name, None)
    model = value["model"]
    model["backbone"] = {"kind": "resnet", **model.get("backbone", {})}
    model["neck"] = {"kind": "fpn", **model.get("neck", {})}
    model.get("rpn", {}).pop("initializer", None)  # it had one value
    _boxes(model)
    if "mask" in model:
        _mask_head(model["mask"])
    return value


def _boxes(model: dict) -> None:
    box = model.pop("box")
    roi = model.get("roi", {})
    stage = {}
    if "fg_iou" in roi:
        stage["fg_iou"] = roi.pop("fg_iou")
    if "regression_weights" in box:
        stage["regression_weights"] = box.pop("regression_weights")
    whole = {k: box.pop(k) for k in ("max_log_scale", "smooth_l1_beta") if k in box}
    head = {"kind": "fast_rcnn", **box}
    model["boxes"] = {"head": head, "stages": [stage], **whole}


def _mask_head(mask: dict) -> None:
    """Gathers the settings of the head that the word named; others had no effect."""
    kind = mask.pop("head", "fcn")
    names = ("channels", "background_channel", "predictor_initializer", "pool_size")
    head = {"kind": kind, **{k: mask.pop(k) for k in names if k in mask}}
    form = mask.pop("encoder_decoder_form", None)
    convolutions, upsample = mask.pop("conv_layers", None), mask.pop("upsample", None)
    boundary = mask.get("boundary", {})
    refined = {k: boundary.pop(k) for k in _REFINED if k in boundary}
    optional = {}
    if kind == "encoder_decoder":
        optional = {"form": form}
    elif kind == "fcn":
        optional = {"conv_layers": convolutions, "upsample": upsample}
    elif kind == "boundary_preserving":
        optional = {
            "conv_layers": convolutions,
            "boundary_size": refined.get("pool_size"),
            "boundary_levels": refined.get("levels"),
            "mask_to_boundary": refined.get("mask_to_boundary"),
            "boundary_to_mask": refined.get("boundary_to_mask"),
        }
    head.update({k: v for k, v in optional.items() if v is not None})
    mask["head"] = head
