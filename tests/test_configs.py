"""Every shipped recipe: loads, says what it is for, builds, and has its parameters."""

import importlib

import pytest

from tfmask.config import load_config, recipes_folder, validate
from tfmask.models.build import build_model
from tfmask.models.counting import count_parameters

ROOT = recipes_folder()
RECIPES = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix()
    for path in ROOT.rglob("*.py")
    if path.parent != ROOT and path.stem != "__init__"
)

# At 80 classes. Detectron2's is the paper's 44.3 M; Tensorpack also trains the scales
# and offsets of its frozen normalisation; the other rows are the same formulas with the
# extra rows of a background class, and the convolutions of a ResNet-101.
PARAMETERS = {
    "mask_rcnn/detectron2_r50": 44_343_216,
    "mask_rcnn/detectron2_r101": 63_283_120,
    "mask_rcnn/tensorpack_r50": 44_347_316 + 2 * 26_560,
    "mask_rcnn/tensorpack_r101": 44_347_316 + 18_939_904 + 2 * 52_672,
    "mask_rcnn/maskrcnn_benchmark_r50": 44_347_573,
    "mask_rcnn/maskrcnn_benchmark_r101": 44_347_573 + 18_939_904,
}


def shrunk(config):
    """Each part of the recipe's model, narrow enough to be made in no time."""
    model = config.model
    model.num_classes = 3
    # 32 is what group normalisation needs at least.
    model.backbone.width = 32
    model.neck.channels = model.rpn.channels = model.mask.channels = 32
    model.box.fc_units = 8
    return config


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_valid(name):
    validate(load_config(name))


@pytest.mark.parametrize("name", [r for r in RECIPES if r not in PARAMETERS])
def test_recipe_builds(name):
    assert count_parameters(build_model(shrunk(load_config(name)).model)) > 0


@pytest.mark.parametrize("name", RECIPES)
def test_docstring_names_the_command(name):
    module = importlib.import_module("tfmask.configs." + name.replace("/", "."))
    assert f"tfmask train {name}" in module.__doc__


@pytest.mark.parametrize("name", [r for r in RECIPES if not r.startswith("demo/")])
def test_paper_recipe_names_its_table_and_figures(name):
    config = load_config(name)
    module = importlib.import_module("tfmask.configs." + name.replace("/", "."))
    assert "Table" in module.__doc__
    assert config.published
    assert all(1 < figure < 100 for figure in config.published.values())


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_at_80_classes(name):
    settings = load_config(name).model
    settings.num_classes = 80
    assert count_parameters(build_model(settings)) == PARAMETERS[name]
