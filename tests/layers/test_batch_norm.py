import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmask.layers.batch_norm import BatchNorm

RNG = np.random.default_rng(0)
X = RNG.normal(2.0, 3.0, (2, 5, 4, 8)).astype(np.float32)


def make(cls, dtype="float32"):
    layer = cls(momentum=0.9, epsilon=1e-3, dtype=dtype)
    layer.build((None, None, None, 8))
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(rng.uniform(0.5, 1.5, 8))
    return layer


def run(layer, training):
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
        total = tf.reduce_sum(y**3)
    return y, tape.gradient(total, [x, *layer.trainable_weights])


@pytest.mark.parametrize("training", [True, False])
def test_values_and_gradients_are_those_of_keras(training):
    fused, fused_gradients = run(make(BatchNorm), training)
    composed, gradients = run(make(keras.layers.BatchNormalization), training)
    np.testing.assert_allclose(fused, composed, rtol=1e-4, atol=1e-5)
    for a, b in zip(fused_gradients, gradients):
        scale = np.abs(b).max()
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5 * scale)


def test_moving_statistics_take_a_tenth_of_the_batch():
    layer = make(BatchNorm)
    mean, variance = (np.array(w) for w in layer.non_trainable_weights)
    layer(X, training=True)
    flat = X.reshape(-1, 8)
    after = [np.array(w) for w in layer.non_trainable_weights]
    np.testing.assert_allclose(
        after[0], 0.9 * mean + 0.1 * flat.mean(0), rtol=1e-5, atol=1e-6
    )
    expected = 0.9 * variance + 0.1 * flat.var(0, ddof=1)
    np.testing.assert_allclose(after[1], expected, rtol=1e-5)


def test_masked_features_do_not_count_in_the_statistics():
    layer, keras_layer = make(BatchNorm), make(keras.layers.BatchNormalization)
    mask = tf.constant(RNG.uniform(size=X.shape[:3]) < 0.5)
    kwargs = {"training": True, "mask": mask}
    np.testing.assert_array_equal(layer(X, **kwargs), keras_layer(X, **kwargs))
    for a, b in zip(layer.non_trainable_weights, keras_layer.non_trainable_weights):
        np.testing.assert_array_equal(np.array(a), np.array(b))


def test_synchronised_statistics_are_in_the_configuration():
    layer = BatchNorm(momentum=0.7, synchronized=True)
    twin = BatchNorm.from_config(layer.get_config())
    assert (twin.momentum, twin.synchronized) == (0.7, True)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_keeps_its_type(dtype):
    layer = make(BatchNorm, f"mixed_{dtype}")
    y = layer(tf.cast(X, dtype), training=True)
    expected = make(BatchNorm)(X, training=True)
    assert y.dtype == dtype
    np.testing.assert_allclose(tf.cast(y, tf.float32), expected, atol=0.05)


def test_frozen_layer_uses_the_moving_statistics():
    layer = make(BatchNorm)
    layer.trainable = False
    before = [np.array(w) for w in layer.weights]
    np.testing.assert_array_equal(layer(X, training=True), layer(X, training=False))
    for a, b in zip(before, layer.weights):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("empty", [True, False])
def test_a_stand_in_for_no_examples_leaves_the_statistics_alone(empty):
    layer = make(BatchNorm)
    before = [np.array(w) for w in layer.non_trainable_weights]
    layer(X, training=True, empty=tf.constant(empty))
    after = [np.array(w) for w in layer.non_trainable_weights]
    assert all((a == b).all() == empty for a, b in zip(after, before))
