import json
import signal
import subprocess
import sys

import cv2
import pytest

from tfmask.cli import demo
from tfmask.errors import DataError


def test_folder_of_someone_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="not a demo's"):
        demo._prepare(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_folder_of_an_earlier_demo_is_emptied(tmp_path):
    demo._prepare(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    demo._prepare(tmp_path)
    assert not (tmp_path / "run").exists()


def test_last_step_overlooks_a_half_written_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert demo._last_step(path) == 0
    path.write_text('{"step": 50}\n{"step": 100}\n{"st')
    assert demo._last_step(path) == 100


def test_training_is_stopped_once_the_log_has_reached_the_step(tmp_path, monkeypatch):
    metrics = tmp_path / "metrics.jsonl"
    script = f"""
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
log = pathlib.Path({str(metrics)!r})
for step in range(1, 1000):
    with log.open("a") as file:
        file.write('{{"step": %d}}\\n' % step)
    time.sleep(0.02)
"""
    monkeypatch.setattr(
        demo,
        "_start",
        lambda arguments: subprocess.Popen([sys.executable, "-c", script]),
    )
    code = demo._train_and_stop([], metrics, 5)
    assert code == 128 + signal.SIGTERM
    assert 5 <= demo._last_step(metrics) < 500


@pytest.mark.slow
def test_quick_demo_ends_with_pictures_and_figures(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tfmask", "demo", "--quick", "--output", tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resuming after step" in done.stdout
    assert "Average Precision" in done.stdout  # pycocotools' own words
    steps = [
        json.loads(line)["step"]
        for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps == sorted(steps)
    pictures = list((tmp_path / "pictures").glob("*.png"))
    assert len(pictures) == 2
    assert cv2.imread(str(pictures[0])).ndim == 3
