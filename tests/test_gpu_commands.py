"""Training and evaluation as commands, one after the other, on a GPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tfmask.data.synthetic.generate import write_dataset

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [pytest.mark.gpu, pytest.mark.slow]


def run(*arguments):
    command = [sys.executable, "-m", "tfmask", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_was_trained_is_evaluated_in_the_run_and_after_it(tmp_path, precision):
    data, folder = tmp_path / "data", tmp_path / "run"
    write_dataset(data, 12, seed=1)
    run(
        "train",
        "demo/shapes",
        f"data.train={data}",
        f"data.val={data}",
        "train.steps=20",
        "train.eval_every=10",
        f"train.precision={precision}",
        f"train.output={folder}",
    )
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    evaluated = [line for line in map(json.loads, lines) if "evaluation" in line]
    assert [line["step"] for line in evaluated] == [10, 20]
    metrics = tmp_path / "figures.json"
    run("evaluate", folder / "config.json", "--load", folder, "--metrics", metrics)
    assert metrics.exists()
    # Nothing scores so much: no candidate on any image.
    run(
        "evaluate",
        folder / "config.json",
        "model.postprocess.score_threshold=1.0",
        "--load",
        folder,
    )
