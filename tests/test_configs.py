"""Every shipped recipe: loads, says what it is for, builds, and has its parameters."""

import importlib
import json
import re

import pytest

from tfmask.config import (
    from_dict,
    load_config,
    recipe_names,
    recipes_folder,
    to_dict,
    validate,
)
from tfmask.models.build import build_model
from tfmask.models.counting import count_parameters
from tfmask.training.schedules import loss_weight

RECIPES = recipe_names()
# These are in no table; their docstrings say why.
WITHOUT_FIGURES = {
    "mask_rcnn/detectron2_r101",
    "maskplus/cf_512",
    "maskplus/maskplus_r50",
}

# At 80 classes. Detectron2's is the paper's 44.3 M; Tensorpack also trains the scales
# and offsets of its frozen normalisation; the other rows are the same formulas with the
# extra rows of a background class, and the convolutions of a ResNet-101.
BENCHMARK, BENCHMARK_101 = 44_347_573, 44_347_573 + 18_939_904
TENSORPACK = 44_347_316 + 2 * 26_560
CONTEXT, PYRAMID, REFINEMENT, QUASI = 8_517_584, 1_704_960, 16_472, 2_380_880
PARAMETERS = {
    "mask_rcnn/detectron2_r50": 44_343_216,
    "mask_rcnn/detectron2_r101": 63_283_120,
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
    "iemask_rcnn/ed": 44_343_216 - 2_643_280 + 29_525_584,
}

# (recipe, paper, table) -> figures, as the papers print them.
PUBLISHED = {
    ("maskplus/cf_256x3", "MaskPlus", "Table 1"): "35.4 56.9 37.7 18.4 38.5 48.7",
    ("maskplus/dpm", "MaskPlus", "Table 2"): "35.4 56.9 37.6 18.8 38.6 48.3",
    ("maskplus/ibr", "MaskPlus", "Table 3"): "35.5 56.9 38.0 18.3 38.8 49.1",
    ("maskplus/mask05x", "MaskPlus", "Table 4"): "34.3 56.4 36.7 17.9 37.7 46.4",
    ("maskplus/biased", "MaskPlus", "Table 5"): "35.4 56.7 37.8 18.2 38.5 48.8",
    ("maskplus/maskplus_r101", "MaskPlus", "Table 7"): "38.1 59.9 41.0 20.2 40.8 50.4",
    (
        "mask_rcnn/tensorpack_r50",
        "MaskPlus",
        "Table 4",
    ): "35.1 56.6 37.5 18.4 38.4 48.3",
    ("mr_rcnn/r101", "MR R-CNN", "Table 1"): "37.1 59.1 39.7",
    ("mr_rcnn/r101_dcn", "MR R-CNN", "Table 2"): "39.7 62.6 42.7",
    ("mr_rcnn/x101_reg_only", "MR R-CNN", "Table 4"): "38.5",
    ("mr_rcnn/r50_alpha_10", "MR R-CNN", "Table 5"): "35.2",
    ("bmask_rcnn/r50", "BMask R-CNN", "Table 1"): "35.6 56.3 38.4",
    ("bmask_rcnn/r101", "BMask R-CNN", "Table 2"): "37.7 59.3 40.6 16.8 39.9 54.6",
    ("bmask_rcnn/abl_full", "BMask R-CNN", "Table 7"): "34.7 55.1 37.2",
    ("bmask_rcnn/abl_lmh", "BMask R-CNN", "Table 8"): "33.7 54.6 35.8",
    ("bmask_rcnn/detectron2_r50", "BMask R-CNN", "README"): (
        "36.6 56.7 39.4 17.3 38.8 53.8"
    ),
    ("mask_scoring/bmask_r101", "BMask R-CNN", "Table 2"): (
        "38.7 59.1 41.9 17.4 40.7 55.5"
    ),
    ("iemask_rcnn/baseline", "IEMask R-CNN", "Table 3"): (
        "35.27 56.45 37.72 16.83 38.18 50.00"
    ),
    ("iemask_rcnn/ed", "IEMask R-CNN", "Table 3"): (
        "36.85 57.08 39.82 17.51 39.40 53.43"
    ),
}


def shrunk(config):
    """Each part of the recipe's model, narrow enough to be made in no time."""
    model = config.model
    model.num_classes = 3
    # 32 is what group normalisation needs at least; 26 layers have bottlenecks.
    model.backbone.width = 32
    model.backbone.depth = min(model.backbone.depth, 26)
    model.neck.channels = model.rpn.channels = model.mask.channels = 32
    model.box.fc_units = 8
    if model.mask.context.filters:
        model.mask.context.filters = (32,) * len(model.mask.context.filters)
    return config


def distinct_models():
    """A recipe of each structure of model; the schedule and the data do not count."""
    found = {}
    for name in RECIPES:
        config = load_config(name)
        if name not in PARAMETERS and not config.waits_for:
            found.setdefault(json.dumps(to_dict(shrunk(config))["model"]), name)
    return sorted(found.values())


def docstring(name):
    return importlib.import_module("tfmask.configs." + name.replace("/", ".")).__doc__


def test_recipes_are_found_and_their_shared_parts_are_not():
    files = {p.relative_to(recipes_folder()) for p in recipes_folder().glob("*/*.py")}
    shared = {f for f in files if f.stem.startswith("_")}
    assert len(RECIPES) == len(set(RECIPES)) == len(files - shared) > 100
    assert not [name for name in RECIPES if "/_" in name]


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_valid_and_survives_json(name):
    config = validate(load_config(name))
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize("name", distinct_models())
def test_recipe_builds(name):
    assert count_parameters(build_model(shrunk(load_config(name)).model)) > 0


@pytest.mark.parametrize("name", RECIPES)
def test_docstring_names_the_command(name):
    assert re.search(rf"tfmask train {name}\s", docstring(name))


@pytest.mark.parametrize("name", [r for r in RECIPES if not r.startswith("demo/")])
def test_paper_recipe_names_its_tables_and_figures(name):
    rows, text = load_config(name).published, docstring(name)
    assert (name in WITHOUT_FIGURES) == (not rows)
    for row in rows:
        assert row.metrics and all(1 < v < 100 for v in row.metrics.values())
        # "Table 3", "Tables 1 to 4", "Tables 2, 5 and 8"
        assert row.paper.split(" (")[0] in " ".join(text.split())
        number = re.fullmatch(r"(?:Table|Section) ([\d.]+)", row.table)
        if number:
            assert set(_numbers(text)) >= {number[1]}, row.table


def _numbers(text):
    """Numbers of the tables and sections that a text names."""
    text = " ".join(re.sub(r"\([^)]*\)", "", text).split())
    for match in re.finditer(
        r"(?:Table|Tables|section) ((?:[\d.]+(?:, | to | and )?(?:row \d+, )?)+)", text
    ):
        numbers = [n.rstrip(".") for n in re.findall(r"[\d.]+", match[1])]
        if " to " in match[1]:
            yield from map(str, range(int(numbers[0]), int(numbers[1]) + 1))
        yield from numbers


def test_no_row_has_two_recipes():
    seen = {}
    for name in RECIPES:
        for row in load_config(name).published:
            key = row.paper, row.table, row.row, row.data
            assert key not in seen, f"{name} and {seen[key]}: {key}"
            seen[key] = name


@pytest.mark.parametrize("key", PUBLISHED, ids=lambda key: f"{key[0]}-{key[2]}")
def test_published_figures_of(key):
    name, paper, table = key
    rows = [
        row
        for row in load_config(name).published
        if row.paper.startswith(paper) and row.table == table
    ]
    assert len(rows) == 1
    figures = [v for k, v in rows[0].metrics.items() if k.startswith("mask/AP")]
    assert figures == [float(v) for v in PUBLISHED[key].split()]


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("maskplus/biased", {"mask"}),
        ("maskplus/maskplus_r50", {"mask", "mask_quasi_half"}),
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


def test_loss_weights_name_terms_of_the_model():
    config = shrunk(load_config("maskplus/maskplus_r50"))
    model = build_model(config.model)
    assert set(config.train.loss_weights) <= set(model.loss_weights.names)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_at_80_classes(name):
    settings = load_config(name).model
    settings.num_classes = 80
    assert count_parameters(build_model(settings)) == PARAMETERS[name]
