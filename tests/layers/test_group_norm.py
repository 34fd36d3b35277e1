import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmask.layers.group_norm import GroupNorm

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(3, 5, 6, 12), (4, 12), (2, 3, 4, 5, 12)])
def test_result_and_gradients_are_those_of_keras(shape):
    x = tf.constant(RNG.normal(2, 3, size=shape).astype(np.float32))
    layer = GroupNorm(4, epsilon=1e-3)
    reference = keras.layers.GroupNormalization(4, epsilon=1e-3)
    for each in (layer, reference):
        each.build(shape)
    for one, other in zip(layer.weights, reference.weights):
        one.assign(RNG.normal(size=12))
        other.assign(one)
    results = []
    for each in (layer, reference):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = each(x)
            total = tf.reduce_sum(tf.sin(value))
        sources = [x, *each.trainable_weights]
        results.append([value, *tape.gradient(total, sources)])
    for one, other in zip(*results):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_two_groups_by_hand():
    layer = GroupNorm(2, epsilon=0.0)
    layer.build((1, 1, 2, 4))
    x = np.float32([[[[0, 2, 10, 10], [4, 6, 30, 30]]]])  # means 3 and 20
    root = np.sqrt(5.0)  # of the variances 5 and 100
    expected = [[[[-3 / root, -1 / root, -1, -1], [1 / root, 3 / root, 1, 1]]]]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5)


def test_a_large_mean_takes_nothing_from_the_variance():
    x = RNG.normal(size=(1, 30, 40, 8)).astype(np.float32)
    layer = GroupNorm(4)
    layer.build(x.shape)
    np.testing.assert_allclose(layer(x + 1000.0), layer(x), atol=5e-3)


def test_channels_that_groups_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="40 channels: expected a multiple of"):
        GroupNorm().build((None, 4, 4, 40))
