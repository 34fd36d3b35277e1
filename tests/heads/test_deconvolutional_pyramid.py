import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks

from tfmask.heads.deconvolutional_pyramid import DeconvolutionalPyramid

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def repeating(layer):
    """Sets deconvolutions to repeat each cell, convolutions to take every other one."""
    for up in layer.ups:
        up.kernel.assign(tf.ones_like(up.kernel))
    for down in layer.downs:
        kernel = np.zeros(down.kernel.shape, np.float32)
        kernel[1, 1] = 1
        down.kernel.assign(kernel)


@pytest.mark.parametrize("kernel_size, count", [(2, 1_704_960), (4, 3_277_824)])
def test_parameters_at_the_width_of_the_paper(kernel_size, count):
    layer = DeconvolutionalPyramid(256, kernel_size)
    layer.build((None, 14, 14, 256))
    assert layer.count_params() == count


@pytest.mark.parametrize("kernel_size", [2, 4])
@pytest.mark.parametrize("shape", [(3, 14, 14, 4), (1, 2, 28, 28, 4), (2, 7, 7, 4)])
def test_output_has_the_shape_of_the_input(shape, kernel_size):
    options = {"channels": 4, "kernel_size": kernel_size}
    run_layer_checks(DeconvolutionalPyramid, options, normal(*shape), 8, [shape])


def test_of_repeated_cells_each_skip_adds_the_input_again():
    # up1 = x, up2 = x; down1 + up1 = 2x; down2 + x = 3x.
    layer = DeconvolutionalPyramid(1)
    layer.build((None, 4, 4, 1))
    repeating(layer)
    x = np.abs(normal(2, 4, 4, 1))
    np.testing.assert_allclose(layer(x), 3 * x, rtol=1e-6)


def test_activation_comes_before_each_sum():
    # Of a negative input all four steps are zero, and the input itself is added last.
    layer = DeconvolutionalPyramid(1)
    layer.build((None, 4, 4, 1))
    repeating(layer)
    x = -np.abs(normal(2, 4, 4, 1))
    np.testing.assert_array_equal(layer(x), x)


def test_steps_run_at_twice_and_four_times_the_side():
    layer = DeconvolutionalPyramid(2)
    layer.build((None, 14, 14, 2))
    x = normal(1, 14, 14, 2)
    up1 = layer.ups[0](x)
    up2 = layer.ups[1](up1)
    down1 = layer.downs[0](up2)
    down2 = layer.downs[1](down1 + up1)
    assert [y.shape[1] for y in (up1, up2, down1, down2)] == [28, 56, 28, 14]
    np.testing.assert_allclose(layer(x), down2 + x, atol=1e-5)


def test_gradient_reaches_the_input_and_every_kernel():
    layer = DeconvolutionalPyramid(3)
    x = tf.constant(normal(2, 6, 6, 3))
    layer.build(x.shape)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(layer(x) ** 2)
    for gradient in tape.gradient(total, [x, *layer.trainable_weights]):
        assert np.abs(gradient).max() > 0


def test_no_rois_give_no_features():
    layer = DeconvolutionalPyramid(2)
    layer.build((None, 4, 4, 2))
    assert layer(tf.zeros([0, 4, 4, 2])).shape == (0, 4, 4, 2)


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match="feature of 128 channels: expected 256"):
        DeconvolutionalPyramid(256).build((None, 14, 14, 128))
