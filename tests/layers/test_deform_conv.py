import numpy as np
import pytest
import tensorflow as tf

from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.deform_conv import DeformableConv
from tfmask.layers.naming import named_weights

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 7, 8, 6)).astype(np.float32)


def built(layer, x=X):
    layer.build(x.shape)
    return layer


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("modulated,factor", [(False, 1.0), (True, 0.5)])
def test_it_begins_as_a_plain_convolution(strides, modulated, factor):
    layer = built(DeformableConv(4, strides=strides, modulated=modulated))
    plain = built(ConvNorm(4, strides=strides))
    plain.kernel.assign(layer.kernel)
    np.testing.assert_allclose(layer(X), factor * plain(X), atol=1e-5)


def test_predicted_places_are_read():
    layer = built(DeformableConv(4))
    # Every tap one row down and two columns to the right.
    named_weights(layer)["offset/bias"].assign([1.0, 2.0] * 9)
    moved = np.pad(X, [[0, 0], [0, 1], [0, 2], [0, 0]])[:, 1:, 2:]
    plain = tf.nn.conv2d(moved, layer.kernel, 1, "SAME")
    inner = np.s_[:, 1:-2, 1:-3]  # the padding of `moved` is not that of X
    np.testing.assert_allclose(layer(X)[inner], plain[inner], atol=1e-5)


def test_modulation_is_the_sigmoid_of_the_last_channels():
    layer = built(DeformableConv(4, modulated=True))
    open_ = [0.0] * 18 + [0.0] * 4 + [50.0] + [0.0] * 4
    closed = [0.0] * 18 + [-50.0] * 4 + [50.0] + [-50.0] * 4
    named_weights(layer)["offset/bias"].assign(closed)
    middle = tf.nn.conv2d(X, layer.kernel[1:2, 1:2], 1, "SAME")
    np.testing.assert_allclose(layer(X), middle, atol=1e-5)
    named_weights(layer)["offset/bias"].assign(open_)
    plain = tf.nn.conv2d(X, layer.kernel, 1, "SAME")
    np.testing.assert_allclose(layer(X), (plain + middle) / 2, atol=1e-5)


def test_frozen_norm_is_folded_as_in_a_plain_convolution():
    options = {"filters": 4, "norm": "frozen_bn", "activation": "relu"}
    layer, plain = built(DeformableConv(**options)), built(ConvNorm(**options))
    weights = named_weights(layer)
    for path, weight in named_weights(plain).items():
        weight.assign(RNG.uniform(0.5, 1.5, weight.shape))
        weights[path].assign(weight)
    np.testing.assert_allclose(layer(X), plain(X), atol=1e-4)


def test_the_gradient_reaches_the_displacements_from_the_start():
    layer = built(DeformableConv(4))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.square(layer(X)))
    for value in tape.gradient(total, layer.offset.trainable_weights):
        assert np.abs(value).max() > 1e-3


def test_a_border_cannot_be_given():
    with pytest.raises(ValueError, match="bordered=True"):
        built(DeformableConv(4))(X, bordered=True)
