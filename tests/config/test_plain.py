"""Configurations through JSON: as written now, and as version 0.1 wrote them."""

import json
from pathlib import Path

import pytest

from tfmask.config import (
    BoxStageConfig,
    Config,
    FastRCNNHeadConfig,
    FCNMaskHeadConfig,
    apply_overrides,
    from_dict,
    load_config,
    to_dict,
    validate,
)
from tfmask.errors import ConfigError

OLD = json.loads(
    Path(__file__).with_name("version_0_1.json").read_text(encoding="utf-8")
)


def through_json(config):
    return from_dict(json.loads(json.dumps(to_dict(config))))


def test_dict_and_back_through_json():
    config = apply_overrides(
        load_config("maskplus/maskplus_plus_r101"),
        ["train.loss_weights.boundary=1.5", "data.short_side=640,800"],
    )
    again = through_json(config)
    assert again == config
    assert again.train.loss_weights["mask"].points[0].weight == 1.5
    assert isinstance(again.model.boxes.stages, tuple)


def test_a_variant_is_stored_with_its_kind():
    value = to_dict(load_config("bmask_rcnn/hrw32"))
    assert value["model"]["backbone"]["kind"] == "hrnet"
    assert value["model"]["boxes"]["head"]["kind"] == "fast_rcnn"
    assert "kind" not in value["model"]["rpn"]


def test_what_is_missing_takes_its_default():
    assert from_dict({"model": {"neck": {"kind": "fpn"}}}) == Config()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"model": {"rpn": {"anchors": 3}}}, r"model\.rpn\.anchors: no such setting"),
        ({"model": {"boxes": {"stages": [{"iou": 1}]}}}, r"stages\.0\.iou: no such"),
        ({"train": {"loss_weights": {"mask": {"kin": 3}}}}, r"loss_weights\.mask\.kin"),
        (
            {"model": {"neck": {"channels": 64}}},
            r"model\.neck\.kind=None: expected one",
        ),
        ({"model": {"neck": {"kind": "resnet"}}}, r"model\.neck=resnet: expected one"),
        (
            {"model": {"neck": {"kind": "fpn", "gim": True}}},
            r"model\.neck\.gim: no such",
        ),
        ({"model": 3}, r"model=3: expected settings"),
        ({"train": {"steps": "x"}}, r"train\.steps='x': expected a whole number"),
        ({"modle": {}}, "modle: no such setting"),
        ([1], "expected the settings of a run"),
    ],
)
def test_what_cannot_be_read_is_named(value, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(value)


# --- version 0.1 ----------------------------------------------------------------------


def test_a_file_of_version_0_1_is_the_recipe_it_was_written_from():
    expected = load_config("bmask_rcnn/r50")
    expected.data.train, expected.model.num_classes = "shapes/train", 4
    apply_overrides(
        expected,
        [
            "model.rpn.post_nms_train=2000",  # what the preset had then
            "train.loss_weights.mask.kind=step",
            "train.loss_weights.mask.points.0.weight=1.5",
            "train.loss_weights.mask.points.1.at=0.5",
        ],
    )
    assert validate(from_dict(OLD)) == expected


def old(**mask):
    """The same file with other settings of the mask branch."""
    value = json.loads(json.dumps(OLD))
    boundary = mask.pop("boundary", {})
    value["model"]["mask"].update(mask)
    value["model"]["mask"]["boundary"].update(boundary)
    return value


def test_the_head_of_version_0_1_has_the_settings_of_its_kind_alone():
    head = from_dict(old(head="fcn", conv_layers=8, upsample=False)).model.mask.head
    assert head == FCNMaskHeadConfig(
        conv_layers=8,
        upsample=False,
        background_channel=True,
        predictor_initializer="msra",
    )
    value = old(head="encoder_decoder", pool_size=28, encoder_decoder_form="paper")
    head = from_dict(value).model.mask.head
    assert (head.tag, head.pool_size, head.form) == ("encoder_decoder", 28, "paper")
    head = from_dict(
        old(
            boundary={
                "levels": ["p2", "p3"],
                "pool_size": 14,
                "mask_to_boundary": False,
            }
        )
    ).model.mask.head
    assert (head.boundary_levels, head.boundary_size) == (("p2", "p3"), 14)
    assert (head.mask_to_boundary, head.boundary_to_mask) == (False, True)


def test_the_box_stage_of_version_0_1_has_its_overlap_from_the_rois():
    value = json.loads(json.dumps(OLD))
    value["model"]["roi"]["fg_iou"] = 0.6
    value["model"]["box"]["regression_weights"] = [20.0, 20.0, 10.0, 10.0]
    boxes = from_dict(value).model.boxes
    assert boxes.stages == (
        BoxStageConfig(fg_iou=0.6, regression_weights=(20.0, 20.0, 10.0, 10.0)),
    )
    assert boxes.head == FastRCNNHeadConfig(background_row=True)
    assert boxes.smooth_l1_beta == 1.0


def test_a_fault_in_a_file_of_version_0_1_is_named():
    value = json.loads(json.dumps(OLD))
    value["model"]["box"]["fc_unit"] = 5
    with pytest.raises(ConfigError, match=r"model\.boxes\.head\.fc_unit: no such"):
        from_dict(value)
