"""Configurations as text: what `path=value` sets, and what `describe` prints of it."""

import os
import shlex

import pytest

from tfmask.config import (
    Config,
    FPNConfig,
    HRFPNConfig,
    IEFPNConfig,
    LossWeightPoint,
    apply_overrides,
    describe,
    get,
    load_config,
    validate,
)
from tfmask.errors import ConfigError


def changed(*overrides):
    return apply_overrides(Config(), list(overrides))


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("train.steps=1000", "train.steps", 1000),
        ("train.learning_rate=1e-3", "train.learning_rate", 0.001),
        ("train.learning_rate=1", "train.learning_rate", 1.0),
        ("train.output=runs/a=b", "train.output", "runs/a=b"),
        ("train.output=7", "train.output", "7"),
        ("data.strict=TRUE", "data.strict", True),
        ("data.short_side=640", "data.short_side", (640,)),
        ("data.short_side=640,800", "data.short_side", (640, 800)),
        ("data.short_side=(640, 800)", "data.short_side", (640, 800)),
        ("train.decay_at=0.5,900", "train.decay_at", (0.5, 900.0)),
        ("train.devices=GPU:0,GPU:1", "train.devices", ("GPU:0", "GPU:1")),
        ("train.devices=", "train.devices", ()),
        ("train.devices=('CPU:0',)", "train.devices", ("CPU:0",)),
        ("data.classes=traffic light, 7", "data.classes", ("traffic light", "7")),
        ("data.classes=1,2", "data.classes", ("1", "2")),
        ("data.train=a", "data.train", "a"),
        ("data.train=a,b", "data.train", ("a", "b")),
        ("data.train_images=,b", "data.train_images", ("", "b")),
        ("data.merge.St. Bernard=dog", "data.merge", {"St. Bernard": "dog"}),
        ("evaluation.max_dets=1,10,400", "evaluation.max_dets", (1, 10, 400)),
        ("model.backbone.depth=101", "model.backbone.depth", 101),
        ("model.mask.pyramid.kernel_size=4", "model.mask.pyramid.kernel_size", 4),
        ("model.boxes.stages.0.fg_iou=0.6", "model.boxes.stages.0.fg_iou", 0.6),
        ("data.format=coco", "data.format", "coco"),
        ("evaluation.best=box/AP", "evaluation.best", "box/AP"),
    ],
)
def test_override_takes_the_type_of_the_setting(override, path, value):
    setting = get(validate(changed(override)), path)
    assert setting == value
    assert type(setting) is type(value)


def test_a_path_that_is_there_may_have_commas(tmp_path):
    path = tmp_path / "a,b"
    path.mkdir()
    assert changed(f"data.train={path}").data.train == str(path)


def test_texts_of_a_dict_add_up_and_are_listed():
    config = changed("data.merge.a=c", "data.merge.b=c", "data.train=~/x,y")
    assert config.data.merge == {"a": "c", "b": "c"}
    assert config.data.train == (os.path.expanduser("~/x"), "y")
    lines = describe(config).splitlines()
    assert "data.merge.b=c" in lines
    again = changed(*(shlex.split(line)[0] for line in lines))
    assert again.data == config.data
    with pytest.raises(ConfigError, match="data.merge=x: expected a dict"):
        changed("data.merge=x")


# --- variants -------------------------------------------------------------------------


def test_a_tag_selects_a_variant_with_its_own_settings():
    neck = changed("model.neck=iefpn", "model.neck.bottom_up=false").model.neck
    assert neck == IEFPNConfig(bottom_up=False)


def test_a_new_variant_keeps_what_was_changed_and_takes_its_own_defaults():
    config = load_config("demo/shapes")
    assert config.model.neck == FPNConfig(channels=64, norm="gn")
    apply_overrides(config, ["model.neck=hrfpn", "model.mask.head=encoder_decoder"])
    assert config.model.neck == HRFPNConfig(channels=64)
    head = config.model.mask.head
    # 14 is the default of the head before, and no change.
    assert (head.channels, head.pool_size, head.predictor_initializer) == (
        64,
        28,
        "msra",
    )


def test_weights_of_another_backbone_are_not_kept():
    backbone = changed(
        "model.backbone.weights=detectron2:R-50.pkl",
        "model.backbone.norm=gn",
        "model.backbone=hrnet",
    ).model.backbone
    assert (backbone.weights, backbone.norm) == ("", "gn")


def test_the_variant_that_is_there_stays_as_it_is():
    config = load_config("demo/shapes")
    neck = config.model.neck
    assert apply_overrides(config, ["model.neck=fpn"]).model.neck is neck


# --- items ----------------------------------------------------------------------------


def test_an_index_after_the_last_adds_a_stage():
    config = changed(
        "model.boxes.head.class_agnostic=true",
        "model.boxes.stages.1.fg_iou=0.6",
        "model.boxes.stages.1.regression_weights=20,20,10,10",
    )
    stages = validate(config).model.boxes.stages
    assert [stage.fg_iou for stage in stages] == [0.5, 0.6]
    assert stages[1].regression_weights == (20.0, 20.0, 10.0, 10.0)


def test_a_number_sets_how_many_stages_there_are():
    config = load_config("iemask_rcnn/cascade_r50")
    apply_overrides(config, ["model.boxes.stages=2"])
    assert [stage.fg_iou for stage in config.model.boxes.stages] == [0.5, 0.6]
    apply_overrides(config, ["model.boxes.stages=3"])
    assert [stage.fg_iou for stage in config.model.boxes.stages] == [0.5, 0.6, 0.5]


def test_an_item_of_numbers_by_its_index():
    config = changed("data.short_side=640,800", "data.short_side.1=720")
    assert config.data.short_side == (640, 720)


# --- loss weights ---------------------------------------------------------------------


def test_a_number_is_a_constant_loss_weight():
    schedule = changed("train.loss_weights.mask=1.5").train.loss_weights["mask"]
    assert schedule.kind == "constant"
    assert schedule.points == (LossWeightPoint(at=0.0, weight=1.5),)


def test_a_schedule_of_a_loss_weight_point_by_point():
    path = "train.loss_weights.mask"
    config = changed(
        f"{path}.kind=step", f"{path}.points.0.weight=2", f"{path}.points.1.at=0.5"
    )
    schedule = validate(config).train.loss_weights["mask"]
    assert schedule.kind == "step"
    assert [(p.at, p.weight) for p in schedule.points] == [(0.0, 2.0), (0.5, 1.0)]


# --- files ----------------------------------------------------------------------------


def test_home_is_expanded_in_settings_that_name_files(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    config = Config()
    config.data.val = "~/val"  # set by a recipe
    apply_overrides(
        config,
        [
            "data.train=~/coco",
            "model.backbone.weights=detectron2:~/R-50.pkl",
            "model.lineage=~",
        ],
    )
    assert config.data.train == "/home/me/coco"
    assert config.data.val == "/home/me/val"
    assert config.model.backbone.weights == "detectron2:/home/me/R-50.pkl"
    assert config.model.lineage == "~"


# --- errors ---------------------------------------------------------------------------

BAD = {
    "train.step=5": "did you mean train.steps",
    "model.backbone.dept=50": "did you mean model.backbone.depth",
    "modle.backbone.depth=50": "did you mean model",
    "model.xyzzy=1": "known:",
    "model.mask.pool_size=28": "did you mean model.mask.head.pool_size",
    "model.boxes.fg_iou=0.6": "did you mean model.boxes.stages.0.fg_iou",
    "train.steps.x=1": "no settings inside",
    "model.rpn=5": "group of settings: channels",
    "steps": "expected path=value",
    "=5": "no such setting",
    "train.steps=many": "expected a whole number",
    "train.steps=1.5": "expected a whole number",
    "train.steps=true": "expected a whole number",
    "train.steps=": "expected a whole number",
    "train.learning_rate=fast": "expected a number",
    "train.learning_rate=nan": "expected a number",
    "train.learning_rate=1e999": "finite",
    "data.strict=1": "expected true or false",
    "data.short_side=big": "expected a whole number",
    "data.augment.crop=512": "expected 2 values",
    "data.augment=none": "group of settings: scale_jitter",
    "train.loss_weights.mask=heavy": "expected a number",
    "train.loss_weights={'mask': 1.5}": "train.loss_weights.NAME=NUMBER",
    "model.neck=fnp": "expected one of fpn, iefpn, panet, hrfpn",
    "model.neck=": "expected one of fpn",
    "model.backbone=fpn": "expected one of resnet, hrnet",
    "model.mask.head=no_such.py:Head": "no_such.py: no such file",
    "model.neck.bottom_up=true": "no such setting of fpn",
    "model.boxes.stages.2.fg_iou=0.5": "0 to 1",
    "model.boxes.stages.first.fg_iou=0.5": "index of an item",
    "model.boxes.stages=many": "expected a whole number",
    "data.short_side.1=5": "0 to 0",
    "published=5": "no such setting",
}


@pytest.mark.parametrize("override", BAD)
def test_bad_override_is_one_line_that_names_the_path(override):
    with pytest.raises(ConfigError) as caught:
        changed(override)
    message = str(caught.value)
    assert BAD[override] in message
    assert "\n" not in message
    assert override.split("=")[0] in message


# --- describe -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "demo/nuclei",
        "maskplus/maskplus_plus_r101",  # stages, loss weights
        "bmask_rcnn/hrw32",  # variants
        "iemask_rcnn/cityscapes_r50",
    ],
)
def test_description_can_be_typed_back(name):
    config = load_config(name)
    config.train.output = "runs/it's mine"
    words = shlex.split(describe(config))
    assert apply_overrides(Config(), words) == config


def test_description_names_the_variants():
    lines = describe(load_config("bmask_rcnn/hrw32")).splitlines()
    for line in (
        "model.backbone=hrnet",
        "model.neck=hrfpn",
        "model.mask.head=boundary_preserving",
        "model.mask.head.boundary_levels=p2",
        "model.boxes.stages=1",
        "model.boxes.stages.0.fg_iou=0.5",
    ):
        assert line in lines
    assert not [line for line in lines if line.startswith("model.neck.initializer")]


def test_a_description_has_each_setting_once():
    lines = describe(load_config("maskplus/biased")).splitlines()
    paths = [line.partition("=")[0] for line in lines]
    assert len(set(paths)) == len(paths)
    assert "train.loss_weights.mask.points.1.at=0.5" in lines
    assert os.linesep not in "".join(lines)
