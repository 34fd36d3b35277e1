"""What the tests of ops share."""

import pytest
import tensorflow as tf
from tensorflow.python.framework import config as tf_config


@pytest.fixture
def ordered():
    """The threads of crop_and_resize's gradient lose each other's sums otherwise."""
    tf.config.experimental.enable_op_determinism()
    yield
    tf_config.disable_op_determinism()
