import json

import pytest

from tfmask.config import (
    Config,
    apply_overrides,
    describe,
    from_dict,
    get,
    load_config,
    require_complete,
    to_dict,
    validate,
)
from tfmask.errors import ConfigError

RECIPE = "from tfmask.config import Config\ndef config():\n    return Config()\n"


def resolved(*overrides):
    return validate(apply_overrides(Config(), list(overrides)))


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
        ("evaluation.max_dets=1,10,400", "evaluation.max_dets", (1, 10, 400)),
        ("model.backbone.depth=101", "model.backbone.depth", 101),
    ],
)
def test_override_takes_the_type_of_the_setting(override, path, value):
    found = get(resolved(override), path)
    assert found == value
    assert type(found) is type(value)


def test_constant_loss_weight_from_the_command_line():
    schedule = resolved("train.loss_weights.mask=1.5").train.loss_weights["mask"]
    assert schedule.kind == "constant"
    assert schedule.points[0].weight == 1.5


BAD = {
    # typing errors, with what the message must offer
    "train.step=5": "did you mean train.steps",
    "model.backbone.dept=50": "did you mean model.backbone.depth",
    "modle.backbone.depth=50": "did you mean model",
    "model.xyzzy=1": "known:",
    "train.steps.x=1": "no settings inside",
    "model.backbone=resnet": "group of settings",
    "steps": "expected path=value",
    "=5": "no such setting",
    # another type
    "train.steps=many": "expected int",
    "train.steps=1.5": "expected int",
    "train.steps=true": "expected int",
    "train.steps=": "expected int",
    "train.learning_rate=fast": "expected float",
    "train.learning_rate=nan": "expected float",
    "train.learning_rate=1e999": "finite",
    "data.strict=1": "expected bool",
    "data.short_side=big": "expected int",
    "box.pool_size=7": "no such setting",
    "model.pixel_mean=1,2": "expected 3 values",
    "train.loss_weights.mask=heavy": "expected float",
    "train.loss_weights={'mask': 1.5}": "train.loss_weights",
    "published=5": "published",
    # out of range, or settings that do not agree
    "train.steps=0": "positive",
    "train.batch_size=-4": "positive",
    "data.flip=1.5": "from 0 to 1",
    "model.num_classes=-1": "zero or a positive",
    "model.backbone.depth=51": "one of 10, 18",
    "model.backbone.norm=batch": "one of frozen_bn",
    "data.exif=maybe": "one of auto",
    "train.precision=float64": "one of float32",
    "data.pad_multiple=48": "multiple of 32",
    "data.short_side=()": "positive sizes",
    "model.anchors.sizes=32,64": "five sizes",
    "model.rpn.bg_iou=0.8": "at most fg_iou",
    "evaluation.max_dets=100": "three",
    "train.virtual_cpus=3": "multiple of the 3 replicas",
    "model.mask.context.filters=64,128": "the last one 256 as model.neck.channels",
    "model.mask.context.filters=0,256": "positive numbers",
    "model.mask.quasi.sizes=0.5,1": "any of 0.5, 2",
    "model.mask.quasi.sizes=2,2": "each once",
}


@pytest.mark.parametrize("override", BAD)
def test_bad_value_is_one_line_that_names_the_path(override):
    with pytest.raises(ConfigError) as caught:
        resolved(override)
    message = str(caught.value)
    assert BAD[override] in message
    assert "\n" not in message
    assert override.split("=")[0].split(".")[0] in message


def test_group_norm_needs_channels_for_its_groups():
    with pytest.raises(ConfigError, match="multiple of 32"):
        resolved("model.neck.norm=gn", "model.neck.channels=80")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("head=encoder_decoder", "pool_size=28", "channels=80"), "multiple of 32"),
        (
            (
                "head=encoder_decoder",
                "pool_size=28",
                "encoder_decoder_form=paper",
                "channels=64",
            ),
            "256 as model.neck.channels",
        ),
        (("scoring.enabled=true", "pool_size=12"), "masks of 24 cells"),
        (
            ("scoring.enabled=true", "head=encoder_decoder", "pool_size=20"),
            "masks of 20 cells",
        ),
        (
            ("scoring.enabled=true", "upsample=false", "pool_size=21"),
            "masks of 21 cells",
        ),
    ],
)
def test_mask_heads_refuse_sizes_that_do_not_fit(overrides, expected):
    with pytest.raises(ConfigError, match=expected):
        resolved(*(f"model.mask.{text}" for text in overrides))


def test_mask_scoring_takes_masks_of_other_sizes_that_fit():
    for overrides in (
        ("pool_size=21",),  # masks of 42
        ("upsample=false",),
        ("head=encoder_decoder", "pool_size=28"),
    ):
        resolved(*(f"model.mask.{o}" for o in ("scoring.enabled=true", *overrides)))


def test_dict_and_back_through_json():
    config = apply_overrides(
        load_config("mask_rcnn/tensorpack_r50"),
        ["train.loss_weights.mask=1.5", "data.short_side=640,800"],
    )
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


def test_published_rows_survive_json():
    config = load_config("maskplus/biased")
    assert len(config.published) == 2
    assert config.train.loss_weights["mask"].points[0].weight == 1.5
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


def test_a_refining_module_refines_something():
    off = [f"model.refine.{part}=false" for part in ("classes", "boxes", "masks")]
    resolved(*off)
    with pytest.raises(ConfigError, match="model.refine.enabled=True.*at least one"):
        resolved("model.refine.enabled=true", *off)


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"published": [{"rows": 3}]}, r"published\.rows"),
        ({"train": {"loss_weights": {"mask": {"kin": 3}}}}, r"loss_weights\.mask\.kin"),
    ],
)
def test_unknown_key_inside_a_tuple_or_dict_is_refused(part, path):
    with pytest.raises(ConfigError, match=path):
        from_dict(part)


def test_description_has_a_line_for_each_published_row():
    lines = describe(load_config("maskplus/biased")).splitlines()
    assert (
        "published: MaskPlus (WACV 2020), Table 6, biased training, COCO val2017: "
        "box/AP 38.6, box/AP50 60, box/AP75 41.8, box/APs 21.7, box/APm 42.1, "
        "box/APl 51.3" in lines
    )
    assert "waits_for=''" in lines


def test_recipe_that_waits_says_for_what():
    config = load_config("maskplus/maskplus_plus_r101")
    with pytest.raises(ConfigError, match="maskplus_plus.*Cascade R-CNN"):
        require_complete(config, "maskplus/maskplus_plus_r101")
    config.waits_for = ""
    assert require_complete(config, "maskplus/maskplus_plus_r101") is config


def test_unknown_key_in_a_dict_is_refused():
    value = to_dict(Config())
    value["model"]["rpn"]["anchors"] = 3
    with pytest.raises(ConfigError, match=r"model\.rpn\.anchors: no such setting"):
        from_dict(value)


def test_description_can_be_typed_back():
    config = load_config("demo/nuclei")
    lines = [
        line
        for line in describe(config).splitlines()
        if not line.startswith(("train.loss_weights", "published"))
    ]
    texts = [line.replace("='", "=").removesuffix("'") for line in lines]
    again = apply_overrides(Config(), texts)
    again.published = config.published
    assert again == config


@pytest.mark.parametrize(
    "name",
    [
        "mask_rcnn/detectron2_r50",
        "mask_rcnn/detectron2_r50.py",
        "configs/mask_rcnn/detectron2_r50.py",
    ],
)
def test_shipped_recipe_by_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config(name).model.lineage == "detectron2"


def test_recipe_of_ones_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(RECIPE)
    assert load_config(str(path)) == Config()


def test_every_load_gives_a_config_of_its_own():
    load_config("demo/shapes").train.steps = 1
    assert load_config("demo/shapes").train.steps > 1


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("x = 1\n", "needs a function config"),
        ("def config():\n    return 3\n", "must return"),
    ],
)
def test_file_that_is_no_recipe(tmp_path, content, part):
    path = tmp_path / "mine.py"
    path.write_text(content)
    with pytest.raises(ConfigError, match=part):
        load_config(str(path))


def test_file_that_is_no_python(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("steps: 5")
    with pytest.raises(ConfigError, match=r"notes\.txt.*\.py"):
        load_config(str(path))


def test_unknown_recipe_gets_the_nearest_names():
    with pytest.raises(ConfigError, match="mask_rcnn/detectron2_r50"):
        load_config("mask_rcnn/detectron_r50")
