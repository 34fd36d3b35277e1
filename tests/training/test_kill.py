"""Runs that are killed, or whose disk is full, in processes of their own."""

import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tfmask.training.checkpoints import existing
from tfmask.weights import files as weight_files

SCRIPT = Path(__file__).with_name("fake_run.py")
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
SETTINGS = ("train.steps=60", "train.checkpoint_every=1", "train.log_every=1")


def command(output, *arguments):
    return [sys.executable, SCRIPT, output, *SETTINGS, *arguments]


def final_weights(output) -> dict:
    newest = existing(output / "checkpoints")[-1]
    assert newest.endswith("step-60")
    return weight_files.read_checkpoint(newest).weights


@pytest.mark.slow
def test_run_killed_five_times_ends_with_the_same_weights(tmp_path):
    quiet = {"env": ENVIRONMENT, "stdout": subprocess.DEVNULL}
    quiet["stderr"] = subprocess.DEVNULL
    subprocess.run(command(tmp_path / "whole"), check=True, timeout=120, **quiet)
    random.seed(7)
    output = tmp_path / "killed"
    for _ in range(5):
        process = subprocess.Popen(
            command(output, "--resume", "--slow", "0.03"),
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for line in process.stdout:
            if line.startswith("starting"):
                break
        time.sleep(random.uniform(0.5, 4))
        process.kill()
        process.wait(30)
    subprocess.run(command(output, "--resume"), check=True, timeout=120, **quiet)
    expected, found = final_weights(tmp_path / "whole"), final_weights(output)
    assert expected.keys() == found.keys()
    for path, value in expected.items():
        np.testing.assert_array_equal(found[path], value, err_msg=path)
    # The model counts how often each example was used.
    np.testing.assert_array_equal(found["seen/counts"][:240], 1)
    assert found["seen/counts"][240:].sum() == 0
    lines = (output / "metrics.jsonl").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        f'{{"step": {step}' for step in range(1, 61)
    ]


@pytest.mark.slow
def test_full_disk_is_one_clear_error_and_harms_nothing(tmp_path):
    def limit():
        # Less than a checkpoint, more than the other files.
        size = (tmp_path / "config.json").stat().st_size + 200
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    quiet = {"env": ENVIRONMENT, "capture_output": True, "text": True, "timeout": 120}
    settings = ("train.steps=2",)
    subprocess.run(command(tmp_path, *settings), check=True, **quiet)
    before = weight_files.read_checkpoint(existing(tmp_path / "checkpoints")[-1])
    failed = subprocess.run(
        command(tmp_path, "train.steps=4", "--resume"), preexec_fn=limit, **quiet
    )
    assert failed.returncode == 1
    assert "CheckpointError" in failed.stderr
    assert "the last good one is" in failed.stderr
    (kept,) = existing(tmp_path / "checkpoints")[-1:]
    after = weight_files.read_checkpoint(kept)
    for path, value in before.weights.items():
        np.testing.assert_array_equal(after.weights[path], value)
    assert not list((tmp_path / "checkpoints").glob("*temp*"))
