"""Two workers of a cluster, each in a process of its own on this machine."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tfmask.training.checkpoints import existing
from tfmask.weights import files as weight_files

SCRIPT = Path(__file__).with_name("fake_run.py")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_workers(output, *arguments) -> list[subprocess.Popen]:
    cluster = {"worker": [f"localhost:{port}" for port in free_ports(2)]}
    processes = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        environment = {
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONUNBUFFERED": "1",
            "TF_CONFIG": json.dumps({"cluster": cluster, "task": task}),
        }
        processes.append(
            subprocess.Popen(
                [sys.executable, SCRIPT, output, *arguments],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return processes


def wait_for(process, words):
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"{words!r} never came")


def weights(output) -> dict:
    newest = existing(output / "checkpoints")[-1]
    return weight_files.read_checkpoint(newest).weights


@pytest.mark.slow
def test_two_workers_learn_what_one_process_learns(tmp_path):
    arguments = ("train.steps=4", "train.clip_norm=0.1")
    subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "one", *arguments], check=True, timeout=200
    )
    for process in start_workers(tmp_path / "two", *arguments):
        text, _ = process.communicate(timeout=200)
        assert process.returncode == 0, text
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for path, value in one.items():
        np.testing.assert_allclose(two[path], value, rtol=1e-4, atol=1e-6, err_msg=path)
    records = (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()
    assert len(records) == 2  # the chief's alone


@pytest.mark.slow
def test_killed_worker_ends_the_other_and_the_run_can_be_resumed(tmp_path):
    arguments = ("train.steps=500", "train.checkpoint_every=1", "train.log_every=1")
    workers = start_workers(tmp_path, "--slow", "0.1", *arguments)
    wait_for(workers[0], "step 3/500")
    workers[1].kill()
    start = time.monotonic()
    workers[0].communicate(timeout=60)
    assert time.monotonic() - start < 60
    assert workers[0].returncode != 0
    workers[1].communicate()
    done = len(existing(tmp_path / "checkpoints"))
    assert done
    resumed = start_workers(tmp_path, "--resume", "train.steps=8")
    for process in resumed:
        text, _ = process.communicate(timeout=200)
        assert process.returncode == 0, text


@pytest.mark.slow
def test_signal_to_one_worker_stops_both_at_the_same_step(tmp_path):
    arguments = ("train.steps=500", "train.checkpoint_every=500", "train.log_every=1")
    workers = start_workers(tmp_path, "--slow", "0.1", *arguments)
    wait_for(workers[0], "step 2/500")
    workers[1].send_signal(signal.SIGTERM)
    codes = []
    for process in workers:
        process.communicate(timeout=100)
        codes.append(process.returncode)
    assert codes == [143, 143]
    assert len(existing(tmp_path / "checkpoints")) == 1
