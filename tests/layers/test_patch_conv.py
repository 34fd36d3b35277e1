import numpy as np
import pytest
import tensorflow as tf

from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.patch_conv import PatchConv
from tfmask.models.macs import count_macs

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 6, 7, 8)).astype(np.float32)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("bordered", [False, True])
def test_result_and_gradients_are_those_of_a_convolution(
    kernel_size, strides, bordered
):
    options = dict(kernel_size=kernel_size, strides=strides, norm="frozen_bn")
    plain, layer = ConvNorm(4, **options), PatchConv(4, **options)
    for each in (plain, layer):
        each.build(X.shape)
    x, results = tf.constant(X), []
    for one, other in zip(plain.weights, layer.weights):
        one.assign(RNG.uniform(0.5, 1.5, one.shape))
        other.assign(one)
    for each in (plain, layer):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = each(x, bordered=bordered)
            total = tf.reduce_sum(tf.sin(value))
        gradients = tape.gradient(total, [x, *each.trainable_weights])
        results.append([value, *gradients])
    for one, other in zip(*results):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_cost_is_that_of_the_convolution():
    layer = PatchConv(4, 5, strides=2)
    layer.build(X.shape)
    assert count_macs(layer, tf.TensorSpec(X.shape)) == 2 * 3 * 4 * 25 * 8 * 4


def test_bfloat16_has_gradients():
    layer = PatchConv(4, 5, strides=2, dtype="mixed_bfloat16")
    layer.build(X.shape)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.cast(layer(X), tf.float32))
    for gradient in tape.gradient(total, layer.trainable_weights):
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()


def test_groups_are_refused():
    with pytest.raises(ValueError, match="groups=2: expected 1"):
        PatchConv(4, groups=2)
