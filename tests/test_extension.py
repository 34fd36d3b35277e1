"""A neck, a backbone, a mask head, a reader and a metric from a user's own files.

Trained, resumed, evaluated, used for prediction and saved by the commands that a user
types; the package needs no change for any of them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import extension_parts
import numpy as np
import pytest

from tfmask.config import apply_overrides, from_dict, load_config, to_dict
from tfmask.data.synthetic.generate import write_dataset

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A user's folder: their files, their data, a run of two steps."""
    folder = tmp_path_factory.mktemp("project")
    recipe = extension_parts.write(folder / "parts")
    data = Path(write_dataset(folder / "data", 4, seed=1, size=64)).parent
    (data / "annotations.json").rename(data / "labels.json")
    run(
        "train", recipe, f"data.train={data}", f"data.val={data}",
        f"train.output={folder / 'run'}", cwd=folder,
    )  # fmt: skip
    return folder


def run(*arguments, cwd) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tfmask", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TFMASK_TRACEBACK": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_training_wrote_the_users_own_metric_and_best(project):
    best = json.loads((project / "run" / "best.json").read_text())
    assert best["per_image"] == 10.0  # twice the five detections of each image
    assert (project / "run" / "best.tfmask.h5").is_file()


def test_a_run_is_resumed_evaluated_and_used_from_its_configuration(project):
    config = project / "run" / "config.json"
    run("train", config, "train.steps=3", "--resume", cwd=project)
    results = project / "results.json"
    text = run(
        "evaluate", config, "--load", project / "run", "--results", results, cwd=project
    )
    assert "per_image" in text and "10.0" in text
    assert len(json.loads(results.read_text())) == 20
    drawn = project / "drawn"
    images = project / "data" / "images"
    run(
        "predict", config, "--load", project / "run", images, "--out", drawn,
        cwd=project,
    )  # fmt: skip
    assert len(list(drawn.iterdir())) == 4


def test_the_configuration_names_the_parts_by_file_and_class(project):
    plain = json.loads((project / "run" / "config.json").read_text())
    kind = plain["model"]["neck"]["kind"]
    assert kind == f"{project / 'parts' / 'my_neck.py'}:FlatNeckConfig"
    config = from_dict(plain)
    assert config.model.neck.channels == 16
    assert to_dict(config) == plain
    apply_overrides(config, ["model.neck.channels=24"])
    assert config.model.neck.channels == 24


def test_the_model_is_saved_as_keras_saves_models(project, tmp_path):
    """In a process that imports tfmask and the user's modules."""
    code = f"""
import sys
sys.path.insert(0, {str(project / "parts")!r})
import keras, numpy as np
import tfmask
from tfmask.config import load_config
from tfmask.models.build import build_model
settings = load_config({str(project / "parts" / "my_recipe.py")!r}).model
settings.num_classes = 3
model = build_model(settings, seed=1)
batch = {{"images": np.full((1, 64, 64, 3), 90, np.uint8),
         "image_sizes": np.array([[64, 64]], np.int32)}}
model.save({str(tmp_path / "mine.keras")!r})
other = keras.models.load_model({str(tmp_path / "mine.keras")!r})
for name, value in model(batch).items():
    np.testing.assert_array_equal(value, other(batch)[name])
assert type(other.neck).__name__ == "FlatNeck"
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_package_knows_none_of_these_parts():
    names = ("FlatNeck", "TinyTrunk", "OneConvMaskHead", "RenamedConfig", "CountConfig")
    for path in (ROOT / "tfmask").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not any(name in text for name in names), path


def test_a_recipe_may_import_the_files_beside_it(tmp_path):
    config = load_config(str(extension_parts.write(tmp_path)))
    assert type(config.model.backbone).__name__ == "TinyTrunkConfig"
    assert np.isclose(config.evaluation.metric.scale, 2.0)
