"""Shape-aware RoIAlign of float16 and bfloat16 features."""

import numpy as np
import pytest
import tensorflow as tf
from compiled_ops import COMPILED
from shape_aware_cases import both, call, inputs

from tfmask.ops.shape_aware_roi_align import shape_aware_roi_align


@both
@pytest.mark.parametrize("with_masks", [False, True])
@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_half_precision_is_computed_in_float32_and_rounded_once(
    implementation, dtype, with_masks
):
    features, masks = inputs(channels=19)
    masks = masks if with_masks else None
    halves = [tf.cast(f, dtype) for f in features]
    widened = [tf.cast(f, tf.float32) for f in halves]
    exact = call(widened, masks, 3, implementation)
    grad = tf.cast(np.random.default_rng(1).normal(size=exact.shape), dtype)
    with tf.GradientTape() as tape:
        tape.watch(halves)
        pooled = call(halves, masks, 3, implementation)
    by_feature = tape.gradient(pooled, halves, grad)
    with tf.GradientTape() as tape:
        tape.watch(widened)
        exact = call(widened, masks, 3, implementation)
    exact_by_feature = tape.gradient(exact, widened, tf.cast(grad, tf.float32))
    assert pooled.dtype == dtype
    np.testing.assert_array_equal(pooled, tf.cast(exact, dtype))
    # The stock gradient adds in float32 from several threads, in any order.
    tolerance = 0 if implementation == "compiled" else 1e-2
    for got, expected in zip(by_feature, exact_by_feature):
        assert got.dtype == dtype
        expected = tf.cast(tf.cast(expected, dtype), tf.float32)
        np.testing.assert_allclose(
            tf.cast(got, tf.float32), expected, rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize("implementation", [COMPILED])
@pytest.mark.parametrize("channels", [2**16, 2**16 - 9])
@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_every_number_of_half_precision_is_read_and_written(
    implementation, dtype, channels
):
    # One sample in the only cell, so that the result is the cell: subnormal numbers,
    # infinities and NaN too, in vectors and in the channels left over.
    bits = np.arange(channels, dtype=np.uint16)
    feature = tf.bitcast(bits.reshape(1, 1, 1, channels), dtype)
    if dtype == tf.bfloat16:
        # TensorFlow's threads take subnormal floats for zero.
        zero = (bits & 0x7F80 == 0) & (bits & 0x7F != 0)
        bits = np.where(zero, bits & 0x8000, bits)
    boxes = tf.constant([[0.0, 0.0, 1.0, 1.0]])
    pooled = shape_aware_roi_align(
        [feature], boxes, [0], [0], None, 1, [1.0], 1, True, implementation
    )
    got = tf.bitcast(pooled, tf.uint16).numpy().ravel()
    fraction, exponent = (0x7F, 0x7F80) if dtype == tf.bfloat16 else (0x3FF, 0x7C00)
    nan = (bits & exponent == exponent) & (bits & fraction != 0)
    wide = tf.cast(pooled, tf.float32).numpy().ravel()
    assert np.isnan(wide[nan]).all()
    # Minus zero times one plus zero is plus zero.
    bits = np.where(bits == 0x8000, 0, bits)
    np.testing.assert_array_equal(np.where(got == 0x8000, 0, got)[~nan], bits[~nan])


@pytest.mark.parametrize("implementation", [COMPILED])
@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_sums_are_rounded_to_the_nearest_number_of_half_precision(
    implementation, dtype
):
    # The mean of two numbers of which one is a weight of a bin: ties and all between.
    rng = np.random.default_rng(0)
    scale = 2.0 ** rng.integers(-26, 17, size=4000)
    cells = tf.cast(rng.normal(size=(1, 1, 2, 4000)) * scale, dtype)
    boxes = tf.constant([[0.0, 0.0, 2.0, 1.0]])
    arguments = (boxes, [0], [0], None, 1, [1.0], 1, True, implementation)
    pooled = shape_aware_roi_align([cells], *arguments)
    exact = shape_aware_roi_align([tf.cast(cells, tf.float32)], *arguments)
    expected = tf.cast(exact, dtype)
    assert np.isinf(expected.numpy().astype(np.float32)).any() == (dtype == tf.float16)
    np.testing.assert_array_equal(pooled, expected)
