import numpy as np
import pytest
import tensorflow as tf

from tfmask.ops.resize import upsample_align_corners


def test_three_cells_become_six_by_hand():
    # Six cells over a length of two: places 0, 0.4, 0.8, 1.2, 1.6, 2.
    row = np.float32([0, 10, 40])
    wide = np.float32([0, 4, 8, 16, 28, 40])
    x = row[None, :, None, None] + np.float32([0, 100, 200])[None, None, :, None]
    columns = np.float32([0, 40, 80, 120, 160, 200])
    got = upsample_align_corners(tf.constant(x))[0, :, :, 0]
    np.testing.assert_allclose(got, wide[:, None] + columns[None], rtol=1e-5)


@pytest.mark.parametrize("side", [2, 7, 14])
def test_agrees_with_tensorflows_own_of_version_1(side):
    x = tf.random.stateless_normal([3, side, side, 5], [1, 2])
    theirs = tf.compat.v1.image.resize_bilinear(
        x, [2 * side, 2 * side], align_corners=True
    )
    np.testing.assert_allclose(upsample_align_corners(x), theirs, atol=1e-5)


def test_one_cell_is_repeated_and_no_rois_stay_none():
    np.testing.assert_array_equal(
        upsample_align_corners(tf.fill([1, 1, 1, 2], 3.0)), np.full((1, 2, 2, 2), 3)
    )
    assert upsample_align_corners(tf.zeros([0, 7, 7, 4])).shape == (0, 14, 14, 4)


def test_every_cell_gets_the_gradient_of_its_weights():
    x = tf.Variable(tf.zeros([1, 3, 3, 1]))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(upsample_align_corners(x))
    # Each axis gives its three cells 1 + 0.6 + 0.2, 2.4 and 1.8 in all.
    axis = np.float32([1.8, 2.4, 1.8])
    np.testing.assert_allclose(
        tape.gradient(total, x)[0, :, :, 0], np.outer(axis, axis), rtol=1e-5
    )


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_low_precision_keeps_its_type(dtype):
    x = tf.random.stateless_normal([2, 7, 7, 4], [3, 4])
    low = upsample_align_corners(tf.cast(x, dtype))
    assert low.dtype == dtype
    np.testing.assert_allclose(
        tf.cast(low, tf.float32), upsample_align_corners(x), atol=0.05
    )
