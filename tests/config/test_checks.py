"""What `validate` refuses, and with which words; and what it accepts."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, get_origin

import keras
import pytest

from tfmask.config import (
    AdaptiveBoxHeadConfig,
    BoxStageConfig,
    Config,
    EncoderDecoderHeadConfig,
    FPNConfig,
    LossWeightConfig,
    ModelConfig,
    PartConfig,
    apply_overrides,
    load_config,
    recipe_names,
    setting,
    validate,
)
from tfmask.config.hints import hints_of, is_group, item_group, members
from tfmask.config.optimizers import ADDONS, KERAS
from tfmask.config.settings import range_of
from tfmask.errors import ConfigError


def check(*overrides):
    return validate(apply_overrides(Config(), list(overrides)))


# Each with what the message must say.
BAD = {
    "train.steps=0": "a number of at least 1, e.g. train.steps=90000",
    "train.batch_size=-4": "at least 1",
    "data.flip=1.5": "from 0 to 1",
    "model.num_classes=-1": "at least 0",
    "model.backbone.depth=51": "one of 10, 18, 26, 34, 50, 101",
    "model.backbone.norm=batch": "one of frozen_bn, bn, sync_bn, gn",
    "model.backbone.freeze_at=9": "from 0 to 5",
    "model.backbone.deformable_stages=1,3": "from 2 to 5",
    "data.exif=maybe": "one of auto, apply, ignore",
    "data.format=csv": "one of auto, cityscapes, coco, lvis",
    "data.pad_multiple=48": "a multiple of 32",
    "data.short_side=()": "at least 1 value",
    "train.precision=float64": "one of float32",
    "train.decay_factor=-1": "above 0 and at most 1",
    "train.momentum=1": "below 1",
    "train.virtual_cpus=3": "multiple of the 3 replicas",
    "train.optimizer=nonsense": "sgd, a class of keras.optimizers or tfa.NAME",
    "train.optimizer=adom": "near it: Adam",
    "train.optimizer=tfa.SGDV": "near it: tfa.SGDW",
    "train.loss_weights.mask.kind=cubic": "one of constant, step, linear",
    "train.loss_weights.mask.points=0": "at least 1 value",
    "train.loss_weights.mask=-1": "at least 0",
    "data.other_classes=keep": "one of drop, ignore",
    "data.repeat=0,1": "at least 1",
    "model.postprocess.nms_scope=image": "one of class, all",
    "evaluation.max_dets=100": "exactly 3 values",
    "evaluation.max_dets=100,10,1": "in ascending order, e.g. evaluation.max_dets=1,10",
    "evaluation.max_dets=0,10,100": "at least 1",
    "evaluation.boundary_dilation=0": "above 0",
    "model.pixel_std=0,0,0": "numbers above 0",
    "model.pixel_mean=1,2": "data.channels=3: expected 3 values, one for each channel",
    "model.pixel_std=1": "e.g. model.pixel_mean=123.675,116.28,103.53 model.pixel_std=",
    "data.channels=13": "from 1 to 12",
    "data.value_range=7": "two values, the lowest and the highest",
    "data.value_range=4095,0": "in ascending order",
    "data.value_range=0,1,2": "0 to 2 values",
    "data.augment.scale_jitter=2,0.5": "the smaller factor first, 0.5,2",
    "data.augment.scale_jitter=0,2": "above 0",
    "data.augment.crop=512,0": "a height and a width above 0, or 0,0",
    "data.augment.rotate=1.5": "from 0 to 1",
    "data.augment.hue=0.6": "from 0 to 0.5",
    "model.anchors.sizes=32,64": "5 sizes, one for each level of model.neck",
    "model.anchors.sizes=-1,64,128,256,512": "numbers above 0",
    "model.anchors.ratios=()": "at least 1 value",
    "model.neck.levels=c2,c4": "consecutive levels, fine to coarse",
    "model.neck.levels=c3,c2": "in ascending order",
    "model.rpn.bg_iou=0.8": "at most fg_iou=0.7",
    "model.rpn.match=inside": "inside_only=True",
    "model.rpn.post_nms_scope=replica": "one of image, batch",
    "model.roi.bg_iou_low=7": "from 0 to 1",
    "model.roi.bg_iou_low=0.5": "less than model.boxes.stages fg_iou=0.5",
    "model.roi.crowd_ioa=11": "from 0 to 10",
    "model.boxes.stages.0.regression_weights=0,0,0,0": "numbers above 0",
    "model.boxes.stages.0.fg_iou=0": "above 0",
    "model.boxes.stages=0": "at least 1 value",
    "model.boxes.stages=3": "class_agnostic=True",
    "model.mask.context.filters=64,128": "the last one 256 as model.neck.channels",
    "model.mask.context.filters=0,256": "at least 1",
    "model.mask.context.level=p7": "one of p2, p3, p4, p5, p6",
    "model.mask.quasi.sizes=0.5,1": "any of 0.5, 2",
    "model.mask.quasi.sizes=2,2": "each once",
    "model.mask.refinement.first_kernel=2": "one of 1, 3",
    "model.refine.labels=found": "one of target, predicted",
}


@pytest.mark.parametrize("override", BAD)
def test_bad_value_is_one_line_that_names_path_value_and_what_is_expected(override):
    with pytest.raises(ConfigError) as caught:
        check(override)
    message = str(caught.value)
    assert BAD[override] in message
    # The name of the group, where it is another of the settings that disagree.
    assert message.startswith(override.split(".")[0])
    assert override.split("=")[0].split(".")[-1] in message or "replicas" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["other_classes", "faulty_objects"])
@pytest.mark.parametrize("setting", ["data.keep_crowd=false", "model.roi.crowd_ioa=2"])
def test_regions_to_ignore_must_come_to_the_losses(name, setting):
    check(f"data.{name}=ignore")
    with pytest.raises(ConfigError, match=f"data.{name}=ignore with {setting[:15]}"):
        check(f"data.{name}=ignore", setting)


@pytest.mark.parametrize(
    ("channels", "example"),
    [
        (
            1,
            "1 value, one for each channel, e.g. model.pixel_mean=117.038 model.pixel_",
        ),
        (4, "e.g. model.pixel_mean=123.675,116.28,103.53,123.675 model.pixel_std="),
    ],
)
def test_other_channels_need_means_and_deviations_of_their_number(channels, example):
    with pytest.raises(ConfigError, match=f"with data.channels={channels}") as caught:
        check(f"data.channels={channels}")
    assert example in str(caught.value)
    values = ",".join(["100"] * channels)
    given = f"model.pixel_mean={values}", f"model.pixel_std={values}"
    check(f"data.channels={channels}", *given, "data.augment.brightness=0.2")
    with pytest.raises(ConfigError, match="data.augment.hue=0.1 with data.channels="):
        check(f"data.channels={channels}", *given, "data.augment.hue=0.1")


@pytest.mark.parametrize(
    "override",
    [
        "data.augment.scale_jitter=1.5,1.5",
        "data.value_range=",
        "model.roi.crowd_ioa=9.99",  # Tensorpack: off
        "model.backbone.freeze_at=5",
        "train.learning_rate=0",
        "train.optimizer=sgd",
        "train.optimizer=ADAMW",
        "train.optimizer=tfa.LAMB",
        "train.decay_at=",
        "model.mask.context.filters=64,256",
        "evaluation.best=mask/AP75",
    ],
)
def test_good_value_at_the_edge(override):
    check(override)


def test_the_keras_optimizers_of_this_line_are_known():
    own = {
        name
        for name, value in vars(keras.optimizers).items()
        if isinstance(value, type)
        and issubclass(value, keras.optimizers.Optimizer)
        and "learning_rate" in value.__init__.__code__.co_varnames
    }
    assert own - {"Optimizer", "LossScaleOptimizer"} <= set(KERAS)
    assert not [name for name in ADDONS if name.startswith("tfa.")]


# --- settings that were not typed but set ---------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("train.steps", "5", "expected a whole number"),
        ("train.steps", True, "expected a whole number"),
        ("train.learning_rate", float("nan"), "expected a number"),
        ("model.pixel_mean", (1.0, 2.0, float("inf")), "each a number in a tuple"),
        ("data.short_side", [640], "a whole number in a tuple"),
        ("data.augment.crop", (1,), "2 of them"),
        ("model.neck", 5, "one of fpn"),
        ("model.neck", EncoderDecoderHeadConfig(), "one of fpn"),
        ("model.boxes.stages", (FPNConfig(),), "BoxStageConfigs"),
        ("train.loss_weights", {"mask": 1.5}, "a dict"),
    ],
)
def test_a_recipe_that_sets_another_type_is_told(path, value, expected):
    config = Config()
    *parents, name = path.split(".")
    group = config
    for parent in parents:
        group = getattr(group, parent)
    setattr(group, name, value)
    with pytest.raises(ConfigError, match=path) as caught:
        validate(config)
    assert expected in str(caught.value)


def test_whole_numbers_are_good_where_any_number_is():
    config = Config()
    config.train.learning_rate = 1
    config.train.decay_at = (1, 2)
    validate(config)


# --- parts from outside ---------------------------------------------------------------


@dataclass(kw_only=True)
class ThinNeckConfig(PartConfig):
    layer: ClassVar[type] = object
    depth: int = setting(1, at_least=1)
    stages: tuple[BoxStageConfig, ...] = ()


@dataclass(kw_only=True)
class WideFPNConfig(FPNConfig):
    """A user's variant of one of tfmask's; it does not pass for that one."""

    layer: ClassVar[type] = object


def test_a_part_from_outside_is_checked_as_far_as_it_says_what_it_is():
    config = Config()
    config.model.neck = ThinNeckConfig()
    config.model.anchors.sizes = (32.0, 64.0)  # how many levels it has is not known
    validate(config)
    config.model.neck = ThinNeckConfig(depth=0)
    with pytest.raises(ConfigError, match=r"model\.neck\.depth=0: .*at least 1"):
        validate(config)
    config.model.neck = ThinNeckConfig(stages=(BoxStageConfig(fg_iou=2.0),))
    with pytest.raises(ConfigError, match=r"model\.neck\.stages\.0\.fg_iou=2"):
        validate(config)


def test_a_subclass_of_a_variant_is_a_part_of_its_own():
    assert (FPNConfig.own_tag(), WideFPNConfig.own_tag()) == ("fpn", "")
    config = Config()
    config.model.neck = WideFPNConfig(channels=64)
    validate(config)


def test_arguments_are_the_keywords_of_a_constructor():
    backbone = load_config("mask_rcnn/detectron2_x101").model.backbone
    backbone.weights = "detectron2:x.pkl"
    arguments = backbone.arguments()
    assert (arguments["depth"], arguments["groups"]) == (101, 32)
    assert "weights" not in arguments


# --- the schema itself ----------------------------------------------------------------


def groups():
    """Every class of settings that a configuration can hold."""
    seen, rest = [], [Config]
    while rest:
        group = rest.pop()
        if group not in seen:
            seen.append(group)
            for hint in hints_of(group).values():
                inner = [*members(hint), item_group(hint)]
                rest += [kind for kind in inner if isinstance(kind, type)]
                rest = [kind for kind in rest if is_group(kind)]
    return seen


def test_every_number_of_the_schema_has_a_range():
    without = [
        f"{group.__name__}.{item.name}"
        for group in groups()
        for item in dataclasses.fields(group)
        if {int, float} & set(members(hints_of(group)[item.name]))
        and not range_of(item).words()
    ]
    assert {LossWeightConfig, ModelConfig, AdaptiveBoxHeadConfig} <= set(groups())
    assert not without


def test_no_tuple_of_the_schema_is_a_list_by_default():
    for name in recipe_names():
        for group in (load_config(name).data, load_config(name).train):
            for key, hint in hints_of(type(group)).items():
                if get_origin(hint) is tuple:
                    assert isinstance(getattr(group, key), tuple), (name, key)
