import cv2
import numpy as np
import pytest
import tensorflow as tf

from tfmask.data.transforms import resized_shape
from tfmask.export.resize import pad, resize, resized_size


@pytest.mark.parametrize(
    "source,target",
    [
        ((48, 64), (80, 107)),
        ((64, 64), (96, 96)),
        ((100, 70), (40, 28)),
        ((37, 53), (64, 92)),
        ((80, 60), (40, 30)),
        ((1, 9), (3, 20)),
        ((9, 1), (5, 1)),
        ((50, 33), (50, 33)),
    ],
)
def test_resize_is_opencvs_bit_by_bit(source, target):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, *source, 3), dtype=np.uint8)
    resized = tf.function(resize)(tf.constant(images), tf.constant(target)).numpy()
    for image, result in zip(images, resized):
        expected = cv2.resize(image, target[::-1], interpolation=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(result, expected)


def test_resized_size_is_that_of_the_python_path():
    rng = np.random.default_rng(1)
    for size in rng.integers(1, 4000, (60, 2)):
        for rule in ((800, 1333), (96, 160), (500, 500)):
            expected = resized_shape(int(size[0]), int(size[1]), *rule)
            given = resized_size(tf.constant(size, tf.int32), *rule).numpy()
            assert tuple(given) == expected, (size, rule)


def test_pad_adds_zeros_bottom_and_right():
    padded = pad(tf.ones([1, 33, 64, 3], tf.uint8), 32)
    assert padded.shape == (1, 64, 64, 3)
    assert padded.numpy().sum() == 33 * 64 * 3
    assert not padded[:, 33:].numpy().any()
