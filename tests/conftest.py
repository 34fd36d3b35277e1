"""Settings of all tests: quiet TensorFlow, seeds, GPU tests only where one is."""

import os
import random

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(autouse=True)
def seeds():
    """Every test starts from the same random state, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    keras.utils.set_random_seed(0)


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and not tf.config.list_physical_devices("GPU"):
        pytest.skip("TensorFlow sees no GPU")
