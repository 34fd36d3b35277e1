"""Files of the user's: recipes, their neighbours, and parts that come with them."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from tfmask.config import (
    Config,
    apply_overrides,
    describe,
    from_dict,
    load_config,
    to_dict,
    validate,
)
from tfmask.config.user_files import class_of, load_file
from tfmask.errors import ConfigError

NECK = '''
from dataclasses import dataclass
from typing import ClassVar
from tfmask.config import PartConfig, setting


class Neck:
    """Stands for a layer."""


@dataclass(kw_only=True)
class NeckConfig(PartConfig):
    layer: ClassVar[type] = Neck
    channels: int = setting(96, at_least=1)
    bands: tuple[int, ...] = (1, 2)
    scale: float | None = None


@dataclass(kw_only=True)
class NeedyConfig(PartConfig):
    channels: int
'''
RECIPE = """
from neck import NeckConfig
from tfmask.config import Config

def config():
    value = Config()
    value.model.neck = NeckConfig(channels=64)
    return value
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "neck.py").write_text(NECK)
    (tmp_path / "recipe.py").write_text(RECIPE)
    return tmp_path


def write(path, text):
    path.write_text(textwrap.dedent(text))
    return str(path)


def test_a_recipe_imports_the_files_beside_it_and_leaves_no_trace(folder, monkeypatch):
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    before = list(sys.path), list(sys.meta_path)
    config = validate(load_config(str(folder / "recipe.py")))
    assert config.model.neck.channels == 64
    assert (sys.path, sys.meta_path) == before
    assert "neck" not in sys.modules


def test_neighbours_of_one_name_in_two_folders_are_two(folder):
    other = folder / "other"
    other.mkdir()
    (other / "recipe.py").write_text(RECIPE)
    (other / "neck.py").write_text(NECK.replace("96", "7"))
    first = load_config(str(folder / "recipe.py")).model.neck
    second = load_config(str(other / "recipe.py")).model.neck
    assert (type(first)().channels, type(second)().channels) == (96, 7)


def test_a_neighbour_may_be_imported_when_the_recipe_runs(folder):
    path = write(
        folder / "late.py",
        """
        def config():
            import recipe
            return recipe.config()
        """,
    )
    assert load_config(path).model.neck.channels == 64


def test_a_file_is_run_once_so_that_its_classes_stay_the_same(folder):
    first = type(load_config(str(folder / "recipe.py")).model.neck)
    assert type(load_config(str(folder / "recipe.py")).model.neck) is first
    assert class_of(f"{folder}/neck.py:NeckConfig", "model.neck") is first


def test_a_file_that_was_edited_is_run_again(folder):
    path = folder / "recipe.py"
    assert load_config(str(path)).model.neck.channels == 64
    path.write_text(RECIPE.replace("channels=64", "channels=72 + 0"))
    assert load_config(str(path)).model.neck.channels == 72


def test_a_file_that_fails_is_not_taken_for_loaded(folder):
    path = folder / "recipe.py"
    path.write_text("1 / 0")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            load_file(path)
    assert not [
        name
        for name in sys.modules
        if name.startswith("recipe_")
        and getattr(sys.modules[name], "__file__", "") == str(path)
    ]


def test_a_part_goes_through_json_by_its_file_and_class(folder):
    config = load_config(str(folder / "recipe.py"))
    value = json.loads(json.dumps(to_dict(config)))
    assert value["model"]["neck"] == {
        "kind": f"{folder}/neck.py:NeckConfig",
        "channels": 64,
        "bands": [1, 2],
        "scale": None,
    }
    again = from_dict(value)
    assert again == config
    assert type(again.model.neck) is type(config.model.neck)


def test_a_part_is_found_again_by_a_process_that_knows_the_json_alone(folder):
    config = load_config(str(folder / "recipe.py"))
    (folder / "config.json").write_text(json.dumps(to_dict(config)))
    code = (
        "import json, sys; from tfmask.config import from_dict; "
        "print(from_dict(json.load(open(sys.argv[1]))).model.neck)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "config.json")],
        capture_output=True,
        text=True,
        cwd=os.getcwd(),
    )
    assert done.stdout == "NeckConfig(channels=64, bands=(1, 2), scale=None)\n"


def test_a_part_on_the_command_line(folder):
    config = Config()
    overrides = [
        f"model.neck={folder}/neck.py:NeckConfig",
        "model.neck.bands=3,4",
        "model.neck.scale=0.5",
        "model.neck.channels=32",
    ]
    neck = validate(apply_overrides(config, overrides)).model.neck
    assert (neck.channels, neck.bands, neck.scale) == (32, (3, 4), 0.5)
    assert apply_overrides(Config(), describe(config).split()) == config
    apply_overrides(config, ["model.neck.scale=none"])
    assert config.model.neck.scale is None


def test_a_part_of_a_package_is_named_by_its_module(tmp_path, monkeypatch):
    package = tmp_path / "my_package_of_necks"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "necks.py").write_text(NECK)
    monkeypatch.syspath_prepend(str(tmp_path))
    kind = "my_package_of_necks.necks:NeckConfig"
    config = apply_overrides(Config(), [f"model.neck={kind}"])
    assert to_dict(config)["model"]["neck"]["kind"] == kind
    assert from_dict(to_dict(config)) == config


def test_a_reader_and_a_metric_are_parts_too(folder):
    config = Config()
    config.data.format = class_of(f"{folder}/neck.py:NeckConfig", "data.format")()
    assert from_dict(json.loads(json.dumps(to_dict(validate(config))))) == config
    apply_overrides(
        config, ["data.format=coco", f"evaluation.metric={folder}/neck.py:NeckConfig"]
    )
    assert config.data.format == "coco"
    assert config.evaluation.metric.channels == 96


def test_a_word_of_a_setting_that_takes_parts_goes_through_json():
    config = apply_overrides(Config(), ["data.format=coco"])
    assert from_dict(to_dict(config)).data.format == "coco"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("{folder}/nick.py:NeckConfig", "nick.py: no such file; has it been moved"),
        ("{folder}/neck.py:NickConfig", "neck.py has no class NickConfig"),
        ("{folder}/neck.py:Neck", "subclass of tfmask.config.PartConfig"),
        ("{folder}/neck.txt:Neck", "expected FILE.py:CLASS or MODULE:CLASS"),
        ("no_such_package.necks:Neck", "put its folder on PYTHONPATH"),
        ("{folder}/neck.py:NeedyConfig", "channels has no default"),
    ],
)
def test_a_part_that_cannot_be_found_is_explained(folder, kind, expected):
    kind = kind.format(folder=folder)
    with pytest.raises(ConfigError, match="model.neck") as caught:
        apply_overrides(Config(), [f"model.neck={kind}"])
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_defined_at_a_prompt_cannot_be_stored():
    code = textwrap.dedent(
        """
        from dataclasses import dataclass
        from tfmask.config import Config, PartConfig, to_dict
        @dataclass(kw_only=True)
        class Mine(PartConfig):
            channels: int = 3
        config = Config()
        config.model.neck = Mine()
        to_dict(config)
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (
        "ConfigError: Mine: settings of a part must be defined in a file" in done.stderr
    )
