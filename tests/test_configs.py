"""Every shipped recipe: is valid, says what it is, builds, and has its parameters."""

import json

import pytest
from recipe_cases import recipes_by_model, shrunk

from tfmask.config import (
    AdaptiveMaskHeadConfig,
    BoundaryPreservingHeadConfig,
    EncoderDecoderHeadConfig,
    HRFPNConfig,
    HRNetConfig,
    IEFPNConfig,
    PANetConfig,
    ResNetConfig,
    from_dict,
    load_config,
    recipe_names,
    recipe_summary,
    recipes_folder,
    to_dict,
    validate,
)
from tfmask.models.build import build_model
from tfmask.models.counting import count_parameters
from tfmask.training.schedules import loss_weight

RECIPES = recipe_names()
MOST_LINES = 1700  # of configs/

# At 80 classes. Detectron2's is the paper's 44.3 M; Tensorpack also trains the scales
# and offsets of its frozen normalisation; the other rows are the same formulas with the
# extra rows of a background class, and the convolutions of a ResNet-101.
BENCHMARK, BENCHMARK_101 = 44_347_573, 44_347_573 + 18_939_904
TENSORPACK = 44_347_316 + 2 * 26_560
CONTEXT, PYRAMID, REFINEMENT, QUASI = 8_517_584, 1_704_960, 16_472, 2_380_880
GLOBAL_INFORMATION, ITS_FUSION = 65_668_864, 1_179_904
PARAMETERS = {
    "mask_rcnn/detectron2_r50": 44_343_216,
    "mask_rcnn/detectron2_r101": 63_283_120,
    "mask_rcnn/detectron2_x101": 107_427_760,
    "mask_rcnn/tensorpack_r50": TENSORPACK,
    "mask_rcnn/tensorpack_r101": 44_347_316 + 18_939_904 + 2 * 52_672,
    "mask_rcnn/maskrcnn_benchmark_r50": BENCHMARK,
    "mask_rcnn/maskrcnn_benchmark_r101": BENCHMARK_101,
    "maskplus/cf_256x2": TENSORPACK + 1_180_160,
    "maskplus/br_original": TENSORPACK + 115_360,
    "maskplus/maskplus_r50": TENSORPACK + CONTEXT + PYRAMID + REFINEMENT + QUASI,
    "mr_rcnn/r50": BENCHMARK + 17_020_134,
    "bmask_rcnn/detectron2_r50": 47_118_080,  # IEMask R-CNN, Table 8: 47.1 M
    "bmask_rcnn/abl_lmh": BENCHMARK + 4 * 590_080,
    "bmask_rcnn/mask_rcnn_hrw32": 49_865_648 + BENCHMARK - 44_343_216,
    "iemask_rcnn/ed": 44_343_216 - 2_643_280 + 29_525_584,
    "iemask_rcnn/r50": 140_655_634,
    "iemask_rcnn/released_r50": 140_065_042,
    "iemask_rcnn/wo_gim": 140_655_634 - GLOBAL_INFORMATION - ITS_FUSION,
    "iemask_rcnn/panet_r50": 68_438_592,
    "iemask_rcnn/cascade_r50": 71_984_926,
}


def structure(settings: dict) -> list:
    """What decides which layers there are."""
    settings["refine"].pop("alpha")
    settings["mask"].pop("boundary")
    parts = ("backbone", "neck", "boxes", "mask", "refine", "inclusive_boxes")
    return [settings[part] for part in parts]


def at_80_classes():
    """The recipes whose parameters are known; those of deep trunks take seconds."""
    deep = ("101", "hrw32")
    return [
        pytest.param(name, marks=pytest.mark.slow if name.endswith(deep) else ())
        for name in PARAMETERS
    ]


def test_the_recipes_are_short():
    files = sorted(recipes_folder().rglob("*.py"))
    lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
    print(f"{len(RECIPES)} recipes in {len(files)} files of {lines} lines")
    assert lines < MOST_LINES
    assert len(RECIPES) == len(set(RECIPES)) > 130


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_valid_survives_json_and_says_what_it_is(name):
    config = validate(load_config(name))
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config
    summary = recipe_summary(name)
    assert summary.endswith(".") and len(summary) > 15


@pytest.mark.parametrize("name", recipes_by_model(structure))
def test_recipe_builds(name):
    assert count_parameters(build_model(shrunk(load_config(name)).model)) > 0


@pytest.mark.parametrize("name", at_80_classes())
def test_parameters_at_80_classes(name):
    settings = load_config(name).model
    settings.num_classes = 80
    assert count_parameters(build_model(settings)) == PARAMETERS[name]


# --- what a recipe is of --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("mask_rcnn/tensorpack_r50", "anchors.rounding", "legacy"),
        ("mask_rcnn/tensorpack_r50", "boxes.smooth_l1_beta", 1.0),
        ("mask_rcnn/tensorpack_r50", "mask.head.predictor_initializer", "msra"),
        ("mask_rcnn/tensorpack_r50", "rpn.match", "inside"),
        ("mask_rcnn/tensorpack_zoo_r50", "anchors.rounding", "none"),
        ("mask_rcnn/tensorpack_zoo_r50", "boxes.smooth_l1_beta", 0.0),
        ("mask_rcnn/tensorpack_zoo_r50", "mask.head.predictor_initializer", "normal"),
        ("mask_rcnn/tensorpack_zoo_r50", "rpn.match", "inside"),
        ("mask_rcnn/maskrcnn_benchmark_r50", "rpn.match", "all"),
        ("mask_rcnn/maskrcnn_benchmark_r50", "rpn.post_nms_train", 1000),
        ("mask_rcnn/maskrcnn_benchmark_r50", "rpn.post_nms_scope", "batch"),
        ("bmask_rcnn/r50", "mask.train_on_predicted_boxes", False),
        ("bmask_rcnn/detectron2_r50", "mask.train_on_predicted_boxes", True),
        ("bmask_rcnn/detectron2_cascade_r50", "mask.train_on_predicted_boxes", False),
        ("bmask_rcnn/detectron2_cascade_r50", "rpn.post_nms_train", 2000),
        ("bmask_rcnn/abl_full", "mask.boundary.dice_squared", False),
        ("bmask_rcnn/abl_boundary", "mask.head.mask_to_boundary", False),
        ("bmask_rcnn/abl_fuse_m2b", "mask.head.mask_to_boundary", True),
        ("bmask_rcnn/abl_fuse_m2b", "mask.head.boundary_to_mask", False),
        ("mr_rcnn/r101_dcn", "backbone.deformable", "v1"),
        ("mr_rcnn/r50_alpha_0_2", "refine.alpha", 0.2),
        ("mr_rcnn/x101_rm_only", "refine.pooling", "plain"),
        ("mr_rcnn/r101_cls_only", "refine.boxes", False),
        ("mask_rcnn/detectron2_x101", "pixel_std", (58.395, 57.12, 57.375)),
        ("mask_rcnn/maskrcnn_benchmark_x101", "pixel_std", (1.0, 1.0, 1.0)),
        ("iemask_rcnn/lvis_panet_x101", "backbone.width_per_group", 8),
        ("iemask_rcnn/lvis_panet_x101", "postprocess.max_detections", 300),
        ("iemask_rcnn/wo_aff", "neck.adaptive_fusion", False),
        ("panet/r50", "boxes.head.form", "4conv1fc"),
        ("composed/maskplus_refined", "refine.enabled", True),
    ],
)
def test_setting_of_a_recipe(name, path, expected):
    value = load_config(name).model
    for part in path.split("."):
        value = getattr(value, part)
    assert value == expected


@pytest.mark.parametrize(
    ("name", "neck", "head", "stages", "backbone"),
    [
        ("iemask_rcnn/x101", IEFPNConfig, EncoderDecoderHeadConfig, 1, ResNetConfig),
        ("iemask_rcnn/panet_r50", PANetConfig, AdaptiveMaskHeadConfig, 1, ResNetConfig),
        (
            "bmask_rcnn/hrw32",
            HRFPNConfig,
            BoundaryPreservingHeadConfig,
            1,
            HRNetConfig,
        ),
        (
            "composed/iefpn_bmask_cascade",
            IEFPNConfig,
            BoundaryPreservingHeadConfig,
            3,
            ResNetConfig,
        ),
        (
            "composed/panet_encoder_decoder",
            PANetConfig,
            EncoderDecoderHeadConfig,
            1,
            ResNetConfig,
        ),
        (
            "composed/hrnet_bmask_refined",
            HRFPNConfig,
            BoundaryPreservingHeadConfig,
            1,
            HRNetConfig,
        ),
    ],
)
def test_parts_of_a_recipe(name, neck, head, stages, backbone):
    model = load_config(name).model
    assert type(model.neck) is neck
    assert type(model.mask.head) is head
    assert type(model.backbone) is backbone
    assert len(model.boxes.stages) == stages


def test_cascades_are_those_of_the_recipes_that_say_so():
    stages = {
        name: [
            (stage.fg_iou, stage.regression_weights)
            for stage in load_config(name).model.boxes.stages
        ]
        for name in RECIPES
    }
    cascades = {name for name in RECIPES if len(stages[name]) > 1}
    assert cascades == {
        "bmask_rcnn/detectron2_cascade_mask_rcnn_r50",
        "bmask_rcnn/detectron2_cascade_r101",
        "bmask_rcnn/detectron2_cascade_r50",
        "composed/iefpn_bmask_cascade",
        "iemask_rcnn/cascade_r50",
        "maskplus/maskplus_plus_r101",
    }
    for name in cascades:
        assert stages[name] == [
            (0.5, (10.0, 10.0, 5.0, 5.0)),
            (0.6, (20.0, 20.0, 10.0, 10.0)),
            (0.7, (30.0, 30.0, 15.0, 15.0)),
        ]


def test_schedules_and_scales_of_recipes():
    expected = {
        "maskplus/maskplus_plus_r101": (8, 540000, (420000, 500000), (800,)),
        "maskplus/cf_720": (8, 360000, (240000, 320000), (800,)),
        "mr_rcnn/x101": (16, 9000, (6000,), (800,)),
        "bmask_rcnn/detectron2_r50": (16, 90000, (2 / 3, 8 / 9), (800,)),
        "iemask_rcnn/r101": (2, 720000, (480000, 640000), None),
        "iemask_rcnn/lvis_r50": (2, 1440000, (960000, 1280000), None),
        "bmask_rcnn/detectron2_cascade_mask_rcnn_r50": (16, 90000, None, None),
        "panet/r50": (16, 180000, None, (1200, 1200, 1000, 800, 600, 400)),
    }
    for name, (batch, steps, decay_at, short_side) in expected.items():
        config = load_config(name)
        assert (config.train.batch_size, config.train.steps) == (batch, steps), name
        if decay_at is not None:
            assert config.train.decay_at == decay_at, name
        scales = short_side or (640, 672, 704, 736, 768, 800)
        assert config.data.short_side == scales, name


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("maskplus/biased", {"mask"}),
        ("maskplus/maskplus_r50", {"mask", "mask_quasi_half"}),
        ("composed/iefpn_bmask_cascade", {"mask", "boundary"}),
        ("composed/maskplus_refined", set()),
    ],
)
def test_biased_training_weighs_masks_more_in_the_first_half(name, terms):
    config = load_config(name)
    assert set(config.train.loss_weights) == terms
    for term in terms:
        weight = config.train.loss_weights[term]
        points = [(point.at, point.weight) for point in weight.points]
        for step, expected in ((0, 1.5), (179_999, 1.5), (180_000, 1), (359_999, 1)):
            assert loss_weight(step, weight.kind, points, 360_000) == expected


@pytest.mark.parametrize(
    "name", [name for name in RECIPES if load_config(name).train.loss_weights]
)
def test_loss_weights_name_terms_of_the_model(name):
    config = shrunk(load_config(name))
    model = build_model(config.model)
    assert set(config.train.loss_weights) <= set(model.loss_weights.names)


def test_recipes_of_cityscapes_have_its_sizes_schedules_and_metric():
    schedules = {
        "bmask_rcnn/cityscapes": (4, 0.005, 48000, (36000,)),
        "bmask_rcnn/cityscapes_mask_rcnn": (4, 0.005, 48000, (36000,)),
        "bmask_rcnn/detectron2_cityscapes": (8, 0.01, 24000, (18000,)),
    }
    names = [name for name in RECIPES if "cityscapes" in name]
    assert len(names) == 9
    for name in names:
        config = load_config(name)
        data, train = config.data, config.train
        assert config.evaluation.metric == "cityscapes", name
        assert config.model.num_classes == 8, name
        assert (min(data.short_side), max(data.short_side)) == (800, 1024), name
        assert (data.max_side, data.eval_short_side, data.eval_max_side) == (
            2048,
            1024,
            2048,
        ), name
        found = (train.batch_size, train.learning_rate, train.steps, train.decay_at)
        expected = schedules.get(name, (2, 0.01, 160000, (140000,)))
        assert found == expected and train.base_batch == train.batch_size, name


def test_recipes_of_lvis_have_its_sampling_limits_and_metric():
    names = [name for name in RECIPES if "/lvis_" in name]
    assert len(names) == 16
    for name in RECIPES:
        config = load_config(name)
        lvis = name in names
        assert config.data.repeat_threshold == (0.001 if lvis else 0.0), name
        assert (config.evaluation.metric == "lvis") == lvis, name
    for name in names:
        config = load_config(name)
        limits = config.model.postprocess
        assert (limits.score_threshold, limits.max_detections) == (1e-4, 300), name
        assert config.evaluation.max_dets == (1, 10, 300), name
        train = config.train
        assert (train.batch_size, train.learning_rate) == (2, 0.0025), name
        assert (train.steps, train.decay_at) == (1440000, (960000, 1280000)), name
