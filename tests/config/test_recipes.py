"""Recipes by name and by file."""

import pytest

from tfmask.config import Config, load_config, recipe_names, recipe_summary
from tfmask.errors import ConfigError

RECIPE = "from tfmask.config import Config\ndef config():\n    return Config()\n"


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


def test_recipe_of_ones_own(tmp_path, monkeypatch):
    path = tmp_path / "mine.py"
    path.write_text(RECIPE)
    assert load_config(str(path)) == Config()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_config("~/mine.py") == Config()


def test_every_load_gives_a_config_of_its_own():
    load_config("demo/shapes").train.steps = 1
    assert load_config("demo/shapes").train.steps > 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("x = 1\n", "needs a function config"),
        ("def config():\n    return 3\n", "must return"),
    ],
)
def test_file_that_is_no_recipe(tmp_path, content, expected):
    path = tmp_path / "mine.py"
    path.write_text(content)
    with pytest.raises(ConfigError, match=expected):
        load_config(str(path))


def test_file_that_is_no_python(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("steps: 5")
    with pytest.raises(ConfigError, match=r"notes\.txt.*\.py"):
        load_config(str(path))


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("mask_rcnn/detectron_r50", "mask_rcnn/detectron2_r50"),
        ("maskplus/cf_256", "maskplus/cf_256x2"),
        ("lineages/tensorpack", "mask_rcnn/tensorpack_r50"),
        ("maskplus/_context", "maskplus/"),
    ],
)
def test_unknown_recipe_gets_the_nearest_names(name, near):
    with pytest.raises(ConfigError, match=near):
        load_config(name)


def test_what_recipes_share_is_none():
    assert "mr_rcnn/changed" not in recipe_names()
    assert "maskplus/tensorpack" not in recipe_names()


def test_a_derived_recipe_belongs_to_the_module_of_its_change():
    assert recipe_summary("iemask_rcnn/lvis_r50").endswith(", on LVIS.")
    assert load_config("iemask_rcnn/lvis_r50").model.num_classes == 1203
