"""Signals and stalls, in processes of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tfmask.training.guards import StopSignals

SCRIPT = Path(__file__).with_name("fake_run.py")
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}


def start(output, *arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, SCRIPT, output, *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until(process, words) -> str:
    """Output up to the first line with these words."""
    text = ""
    for line in process.stdout:
        text += line
        if words in line:
            return text
    raise AssertionError(f"{words!r} never came:\n{text}")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_signal_saves_after_the_step_and_leaves_cleanly(tmp_path, number, code):
    process = start(
        tmp_path, "--slow", "0.2", "train.log_every=1", "train.checkpoint_every=100"
    )
    read_until(process, "step 2/12")
    process.send_signal(number)
    rest = process.stdout.read()
    assert process.wait(60) == code
    assert "saving after this step" in rest
    assert "go on with --resume" in rest
    assert "Traceback" not in rest
    saved = list((tmp_path / "checkpoints").glob("step-*.index"))
    assert len(saved) == 1


def test_second_signal_ends_at_once(tmp_path):
    process = start(tmp_path, "--slow", "30", "train.log_every=1")
    read_until(process, "sleeping")
    process.send_signal(signal.SIGTERM)
    read_until(process, "SIGTERM received")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        assert signal.getsignal(signal.SIGTERM) == signals._receive
    assert signal.getsignal(signal.SIGTERM) == before


def test_stall_is_reported_with_the_stack_of_every_thread():
    code = (
        "import time\n"
        "from tfmask.training.guards import Watchdog\n"
        "def stuck_here(): time.sleep(2)\n"
        "with Watchdog(0.3): stuck_here()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=SCRIPT.parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert "Timeout" in done.stderr
    assert "stuck_here" in done.stderr


def test_fed_watchdog_is_silent():
    code = (
        "import time\n"
        "from tfmask.training.guards import Watchdog\n"
        "with Watchdog(0.5) as dog:\n"
        "    for _ in range(10): time.sleep(0.1); dog.feed()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=SCRIPT.parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
