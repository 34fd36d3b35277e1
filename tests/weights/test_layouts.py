"""Layouts of single weights, against the operations that they are for."""

import numpy as np
import pytest
import tensorflow as tf

from tfmask.errors import WeightsError
from tfmask.weights.layouts import (
    SAME,
    TORCH_CONV,
    TORCH_DENSE,
    AdaptedStem,
    Axes,
    ClassAxis,
    FlatRoI,
    Shift,
    Stem,
)

RNG = np.random.RandomState(0)


def random(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    "layout, shape",
    [
        (SAME, (3, 2)),
        (TORCH_CONV, (5, 4, 3, 3)),
        (TORCH_DENSE, (6, 7)),
        (Axes((2, 0, 1)), (2, 3, 4)),
        (FlatRoI(7, TORCH_DENSE), (3, 2 * 49)),
        (FlatRoI(7, SAME), (2 * 49, 3)),
        (ClassAxis(TORCH_DENSE, "last"), (6, 4)),
        (ClassAxis(SAME, "last"), (6,)),
        (ClassAxis(TORCH_DENSE, "first", "first", 4), (24, 4)),
        (ClassAxis(TORCH_DENSE, "none", "none", 4), (20, 4)),
        (ClassAxis(TORCH_CONV, "none", "first"), (5, 4, 1, 1)),
        (Stem(TORCH_CONV, flip=True), (8, 3, 7, 7)),
    ],
)
def test_storing_what_was_loaded_gives_the_same_array(layout, shape):
    value = random(*shape)
    np.testing.assert_array_equal(layout.store(layout.load(value)), value)


def test_scaled_stem_and_shifted_variance_return_to_rounding():
    stem, shift = Stem(TORCH_CONV, True, (58.0, 57.0, 0.5)), Shift(1e-8)
    value = random(4, 3, 7, 7)
    np.testing.assert_allclose(stem.store(stem.load(value)), value, rtol=1e-6)
    variance = np.float32([1e-6, 0.5, 20.0])
    np.testing.assert_allclose(shift.load(variance) - variance, 1e-8, rtol=1e-6)
    np.testing.assert_array_equal(
        shift.store(shift.load(variance)).astype(np.float32), variance
    )


def test_deconvolution_spreads_each_cell_through_the_kernel_without_a_flip():
    weight, x = random(3, 2, 2, 2), random(1, 4, 5, 3)  # PyTorch: [in, out, kh, kw]
    expected = np.zeros((1, 8, 10, 2), np.float32)
    for i in range(4):
        for j in range(5):
            spread = np.einsum("c,cohw->hwo", x[0, i, j], weight)
            expected[0, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += spread
    kernel = TORCH_CONV.load(weight)  # [kh, kw, out, in]
    output = tf.nn.conv2d_transpose(x, kernel, (1, 8, 10, 2), 2, "VALID")
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-6)


def test_convolution_correlates():
    weight, x = random(2, 3, 3, 3), random(1, 5, 5, 3)  # [out, in, kh, kw]
    expected = np.einsum("hwc,ochw->o", x[0, 1:4, 2:5], weight)
    output = tf.nn.conv2d(x, TORCH_CONV.load(weight), 1, "VALID")
    np.testing.assert_allclose(output[0, 1, 2], expected, rtol=1e-4)


def test_dense_layer_over_a_flat_roi_reads_channels_first():
    weight, feature = random(5, 3 * 4), random(2, 2, 3)  # S = 2, C = 3
    expected = weight @ feature.transpose(2, 0, 1).reshape(-1)
    output = feature.reshape(-1) @ FlatRoI(2, TORCH_DENSE).load(weight)
    np.testing.assert_allclose(output, expected, rtol=1e-5)


def test_background_moves_first_and_absent_rows_are_zero():
    classes = ClassAxis(SAME, "last", "first")
    np.testing.assert_array_equal(classes.load(np.arange(4.0)), [3, 0, 1, 2])
    assert classes.num_classes(np.arange(4.0)) == 3
    deltas = ClassAxis(SAME, "none", "first", 4)
    np.testing.assert_array_equal(
        deltas.load(np.arange(1.0, 9.0)), [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    )
    dropped = ClassAxis(SAME, "first", "none", 4)
    np.testing.assert_array_equal(dropped.load(np.arange(8.0)), [4, 5, 6, 7])
    assert deltas.num_classes(np.zeros(8)) == 2
    assert dropped.num_classes(np.zeros(8)) == 1


def test_a_choice_of_classes_is_taken_where_the_file_has_all():
    chosen = ClassAxis(SAME, "first", "first", 1, keep=(0, 2), of=3)
    np.testing.assert_array_equal(chosen.load(np.arange(4.0)), [0, 1, 3])
    np.testing.assert_array_equal(chosen.store(np.float32([9, 1, 3])), [9, 1, 0, 3])
    assert chosen.num_classes(np.zeros(4)) == 2
    # A file with other classes is taken whole.
    np.testing.assert_array_equal(chosen.load(np.arange(3.0)), [0, 1, 2])
    assert chosen.num_classes(np.zeros(3)) == 2


def test_stem_for_another_input_computes_the_same():
    weight, image = random(4, 3, 7, 7), random(1, 9, 9, 3)  # image: R, G, B
    scaled = image / np.float32([50, 60, 70])
    plain = tf.nn.conv2d(scaled, TORCH_CONV.load(weight), 2, "VALID")
    turned = (image / np.float32([1, 2, 4]))[..., ::-1]
    # Our deviations over theirs, in our channel order: blue first.
    stem = Stem(TORCH_CONV, True, (4 / 70, 2 / 60, 1 / 50))
    output = tf.nn.conv2d(turned, stem.load(weight), 2, "VALID")
    np.testing.assert_allclose(output, plain, rtol=1e-4, atol=1e-5)


# --- a first convolution for other channels than RGB ----------------------------------

IMAGENET = (58.395, 57.12, 57.375)


def adapted(channels, to_order="rgb", std=40.0):
    return AdaptedStem(TORCH_CONV, "bgr", to_order, IMAGENET, (std,) * channels)


def response(kernel, image, std, order):
    x = image / np.float32(std)
    x = x[..., ::-1] if order == "bgr" else x
    return np.einsum("hwc,hwco->o", x, kernel)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("channels", [1, 2, 4, 6, 12])
def test_equal_channels_give_what_gray_gives_as_rgb(channels, order):
    weight, gray = random(8, 3, 7, 7), random(7, 7, 1)
    trained = response(TORCH_CONV.load(weight), np.repeat(gray, 3, 2), IMAGENET, "bgr")
    image = np.repeat(gray, channels, 2)
    result = response(
        adapted(channels, order).load(weight), image, (40.0,) * channels, order
    )
    if channels % 3 == 0 or channels == 1:
        np.testing.assert_allclose(result, trained, rtol=1e-3, atol=1e-5)
    else:  # the third of three counts less than the others
        assert np.corrcoef(result, trained)[0, 1] > 0.5


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_channel_k_has_the_kernel_of_red_green_or_blue(order):
    weight = random(8, 3, 7, 7)
    stem = AdaptedStem(TORCH_CONV, "bgr", order, (1.0,) * 3, (1.0, 1.0, 1.0, 1.0, 2.0))
    kernel = stem.load(weight)
    kernel = kernel[:, :, ::-1] if order == "bgr" else kernel
    red_green_blue = TORCH_CONV.load(weight)[:, :, ::-1]
    for k, factor in enumerate((1, 1, 1, 1, 2)):
        np.testing.assert_allclose(
            kernel[:, :, k], red_green_blue[:, :, k % 3] * 3 / 5 * factor, rtol=1e-6
        )


def test_a_stem_of_as_many_channels_is_taken_as_it_is():
    weight = random(8, 4, 7, 7)
    np.testing.assert_array_equal(adapted(4).load(weight), TORCH_CONV.load(weight))
    with pytest.raises(WeightsError, match="takes 4 channels: expected 3"):
        adapted(4).store(weight)
