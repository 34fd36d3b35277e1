"""Settings of all tests: quiet TensorFlow, seeds, GPU tests only where one is."""

import os
import random
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

# The equations and cases of the kernels' own harness serve tests as well.
sys.path.append(str(Path(__file__).resolve().parents[1] / "custom_ops" / "harness"))


@pytest.fixture(autouse=True)
def seeds():
    """Every test starts from the same random state, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    keras.utils.set_random_seed(0)


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and not tf.config.list_physical_devices("GPU"):
        pytest.skip("TensorFlow sees no GPU")


_exit_status = 0


def pytest_sessionfinish(session, exitstatus):
    global _exit_status
    _exit_status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Ends the process at once, with all that was reported.

    Iterators of `tf.data` that tests left half-way can wait for the interpreter while
    it waits for them: on TensorFlow 2.15 a finished run has been seen to stay. How a
    process of tfmask's own ends is tested in subprocesses.
    """
    if "coverage" not in sys.modules:  # which writes its data at exit
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_exit_status)
