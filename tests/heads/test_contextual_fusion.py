import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks

from tfmask.heads.contextual_fusion import ContextualFusion

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def built(filters, channels, **options):
    layer = ContextualFusion(filters, **options)
    layer.build([(None, 14, 14, channels)] * 2)
    return layer


def centre_only(conv, weights, bias=0.0):
    """Makes a 3x3 convolution a 1x1 one with these weights."""
    kernel = np.zeros(conv.kernel.shape, np.float32)
    kernel[1, 1] = weights
    conv.kernel.assign(kernel)
    conv.bias.assign(np.full(conv.bias.shape, bias, np.float32))


@pytest.mark.parametrize(
    "filters, count",
    [
        ((256, 256), 1_180_160),
        ((256, 256, 256), 1_770_240),
        ((512, 256, 256), 2_950_144),
        ((720, 512, 512, 256), 8_517_584),
    ],
)
def test_parameters_of_the_widths_in_the_paper(filters, count):
    assert built(filters, 256).count_params() == count


@pytest.mark.parametrize("last_relu", [True, False])
def test_layer_keeps_the_shape_of_the_rois(last_relu):
    run_layer_checks(
        ContextualFusion,
        {"filters": (6, 4), "last_relu": last_relu},
        [normal(2, 3, 5, 5, 4), normal(2, 5, 5, 4)],
        4,
        [(2, 3, 5, 5, 4)],
    )


def test_each_roi_gets_the_context_of_its_own_image():
    layer = built((2,), 2)
    centre_only(layer.convs[0], [[10, 0], [0, 100]])
    rois = np.ones((2, 3, 4, 4, 2), np.float32)
    image = np.ones((2, 4, 4, 2), np.float32)
    image[1] = 2
    out = layer([rois, image]).numpy()
    np.testing.assert_array_equal(out[0], np.broadcast_to([11, 101], out[0].shape))
    np.testing.assert_array_equal(out[1], np.broadcast_to([21, 201], out[1].shape))


@pytest.mark.parametrize("last_relu, expected", [(True, 1.0), (False, -1.0)])
def test_without_the_last_activation_context_can_lower_a_feature(last_relu, expected):
    layer = built((1,), 1, last_relu=last_relu)
    centre_only(layer.convs[0], 1.0, bias=-3.0)
    out = layer([tf.ones([1, 1, 4, 4, 1]), tf.ones([1, 4, 4, 1])])
    np.testing.assert_array_equal(out, np.full((1, 1, 4, 4, 1), expected))


def test_inner_activations_are_there_without_the_last():
    layer = built((1, 1), 1, last_relu=False)
    centre_only(layer.convs[0], -1.0)
    centre_only(layer.convs[1], 5.0, bias=-1.0)
    np.testing.assert_array_equal(layer.context(tf.ones([1, 2, 2, 1])), -1.0)


def test_gradient_reaches_rois_image_and_every_kernel():
    layer = built((3, 2), 2)
    rois, image = tf.constant(normal(1, 2, 4, 4, 2)), tf.constant(normal(1, 4, 4, 2))
    with tf.GradientTape() as tape:
        tape.watch([rois, image])
        total = tf.reduce_sum(layer([rois, image]) ** 2)
    for gradient in tape.gradient(total, [rois, image, *layer.trainable_weights]):
        assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("filters", [(256, 128), ()])
def test_another_last_width_is_one_clear_error(filters):
    with pytest.raises(ValueError, match="expected 256 for the last convolution"):
        built(filters, 256)


def test_no_rois_of_an_image_are_no_features():
    layer = built((2,), 2)
    assert layer([tf.zeros([1, 0, 4, 4, 2]), normal(1, 4, 4, 2)]).shape == (
        1,
        0,
        4,
        4,
        2,
    )
