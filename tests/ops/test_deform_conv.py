import numpy as np
import pytest
import tensorflow as tf
from compiled_ops import IMPLEMENTATIONS

from tfmask.ops.deform_conv import deform_conv2d

both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def read(image, y, x):
    """Bilinear reading of `[H, W, C]`, zero outside: the definition, one place."""
    value = np.zeros(image.shape[-1])
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            weight = max(0.0, 1 - abs(y - row)) * max(0.0, 1 - abs(x - column))
            value += weight * image[row, column]
    return value


def by_definition(features, offsets, kernel, strides, modulation):
    """Dai et al. Eq. 2 and Zhu et al. Eq. 1, place by place in float64."""
    batch, height, width, channels = features.shape
    size, _, depth, filters = kernel.shape
    groups, pad = channels // depth, (size - 1) // 2
    rows, columns = -(-height // strides), -(-width // strides)
    result = np.zeros((batch, rows, columns, filters))
    for b, i, j in np.ndindex(batch, rows, columns):
        for t in range(size * size):
            dy, dx = offsets[b, i, j, 2 * t : 2 * t + 2]
            y = i * strides - pad + t // size + dy
            x = j * strides - pad + t % size + dx
            value = read(features[b], y, x).reshape(groups, depth)
            if modulation is not None:
                value = value * modulation[b, i, j, t]
            weights = kernel[t // size, t % size].reshape(depth, groups, -1)
            result[b, i, j] += np.einsum("gc,cgf->gf", value, weights).reshape(-1)
    return result


@both
def test_whole_cells_of_displacement_by_hand(implementation):
    features = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, 1] = 1.0  # the middle tap alone
    offsets = np.zeros((1, 3, 4, 18), np.float32)
    offsets[..., 8] = 1.0  # dy of tap 4: one row further down
    offsets[..., 9] = 0.5  # dx: half a cell to the right
    result = deform_conv2d(features, offsets, kernel, implementation=implementation)[
        0, ..., 0
    ]
    expected = [
        [4.5, 5.5, 6.5, 3.5],  # the last reads half of 7, half of zero
        [8.5, 9.5, 10.5, 5.5],
        [0, 0, 0, 0],
    ]
    np.testing.assert_allclose(result, expected, atol=1e-5)


@both
def test_without_displacement_it_is_the_plain_convolution(implementation):
    features, kernel = normal(2, 7, 9, 8), normal(3, 3, 8, 6)
    offsets = np.zeros((2, 7, 9, 18), np.float32)
    result = deform_conv2d(features, offsets, kernel, implementation=implementation)
    plain = tf.nn.conv2d(features, kernel, 1, "SAME")
    np.testing.assert_allclose(result, plain, atol=2e-5)
    halves = np.full((2, 7, 9, 9), 0.5, np.float32)
    result = deform_conv2d(
        features, offsets, kernel, modulation=halves, implementation=implementation
    )
    np.testing.assert_allclose(result, plain / 2, atol=2e-5)


@both
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("modulated", [False, True])
def test_definition(implementation, strides, groups, modulated):
    features = normal(2, 5, 6, 4)
    kernel = normal(3, 3, 4 // groups, 6)
    lead = (2, -(-5 // strides), -(-6 // strides))
    offsets = 2 * normal(*lead, 18)  # far enough to leave the map
    modulation = RNG.random((*lead, 9)).astype(np.float32) if modulated else None
    result = deform_conv2d(
        features, offsets, kernel, strides, modulation, implementation
    )
    expected = by_definition(features, offsets, kernel, strides, modulation)
    np.testing.assert_allclose(result, expected, atol=2e-4)


@both
@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_are_the_differences_of_the_definition(
    implementation, groups, ordered
):
    tensors = {
        "features": normal(1, 4, 5, 4),
        "offsets": normal(1, 2, 3, 18),
        "kernel": normal(3, 3, 4 // groups, 2),
        "modulation": RNG.random((1, 2, 3, 9)).astype(np.float32),
    }
    weights = normal(1, 2, 3, 2)
    variables = {name: tf.constant(value) for name, value in tensors.items()}

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            tape.watch(variables)
            result = deform_conv2d(
                strides=2, implementation=implementation, **variables
            )
        return tape.gradient(result, variables, weights)

    def total(values):
        ordered = [values[k] for k in ("features", "offsets", "kernel")]
        return np.sum(weights * by_definition(*ordered, 2, values["modulation"]))

    gradients = run()
    step = 1e-4
    for name, value in tensors.items():
        direction = normal(*value.shape).astype(np.float64)
        there = {**tensors, name: value + step * direction}
        back = {**tensors, name: value - step * direction}
        slope = (total(there) - total(back)) / (2 * step)
        product = np.sum(gradients[name] * direction)
        np.testing.assert_allclose(product, slope, rtol=2e-3, err_msg=name)


@both
def test_the_slope_in_the_middle_of_a_cell_is_that_of_the_interval_after_it(
    implementation,
):
    # torchvision's choice. Zero, crop_and_resize's own, would keep displacements that
    # begin at zero there for ever.
    features = tf.constant(normal(1, 4, 5, 2))
    kernel = np.zeros((3, 3, 2, 1), np.float32)
    kernel[1, 1, :, 0] = (2.0, 3.0)  # the middle tap alone
    offsets = tf.zeros((1, 4, 5, 18))
    with tf.GradientTape() as tape:
        tape.watch(offsets)
        result = deform_conv2d(
            features, offsets, tf.constant(kernel), implementation=implementation
        )
    slopes = tape.gradient(result, offsets)[0].numpy()
    weighted = np.pad(features[0] @ [[2.0], [3.0]], [[0, 1], [0, 1], [0, 0]])[..., 0]
    below, beside = np.diff(weighted, axis=0)[:, :-1], np.diff(weighted, axis=1)[:-1]
    np.testing.assert_allclose(slopes[..., 8], below, atol=2e-4)
    np.testing.assert_allclose(slopes[..., 9], beside, atol=2e-4)
    assert not slopes[..., :8].any() and not slopes[..., 10:].any()


@both
def test_places_that_are_no_numbers_read_zero_and_have_finite_gradients(implementation):
    features, kernel = tf.constant(normal(1, 4, 4, 2)), tf.constant(normal(3, 3, 2, 2))
    offsets = np.zeros((1, 4, 4, 18), np.float32)
    offsets[0, 1, 1], offsets[0, 2, 2], offsets[0, 3, 3] = np.nan, np.inf, 1e30
    offsets = tf.constant(offsets)
    with tf.GradientTape() as tape:
        tape.watch([features, kernel])
        result = deform_conv2d(features, offsets, kernel, implementation=implementation)
    for gradient in tape.gradient(result, [features, kernel]):
        assert np.isfinite(gradient).all()
    for cell in (1, 2, 3):
        np.testing.assert_array_equal(result[0, cell, cell], [0, 0])


@both
def test_bfloat16_features_give_bfloat16(implementation):
    features, kernel = normal(1, 6, 6, 8), normal(3, 3, 8, 4)
    offsets = normal(1, 6, 6, 18)
    exact = deform_conv2d(features, offsets, kernel, implementation=implementation)
    halved = deform_conv2d(
        tf.cast(features, tf.bfloat16),
        offsets,
        tf.cast(kernel, tf.bfloat16),
        implementation=implementation,
    )
    assert halved.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(halved, tf.float32), exact, atol=0.3)


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match="offsets of 17 channels: expected 18"):
        deform_conv2d(normal(1, 4, 4, 2), normal(1, 4, 4, 17), normal(3, 3, 2, 2))
    with pytest.raises(ValueError, match="modulation of 8 channels: expected 9"):
        deform_conv2d(
            normal(1, 4, 4, 2),
            normal(1, 4, 4, 18),
            normal(3, 3, 2, 2),
            modulation=normal(1, 4, 4, 8),
        )
