import numpy as np
import pytest
import tensorflow as tf

from tfmask.losses.mask_iou import mask_iou_sum, mask_iou_targets, share_in_roi
from tfmask.ops.masks import InstanceTargets


def instance(mask, box, roi):
    """One instance; mask of 0 and 1."""
    return InstanceTargets(
        tf.constant(np.asarray(mask)[None] * 255, tf.uint8),
        tf.constant([box], tf.float32),
        tf.constant([roi], tf.float32),
        tf.constant([1], tf.int32),
    )


def full(box, roi, side=4):
    return instance(np.ones((side, side)), box, roi)


def logits(mask):
    """+3 inside, -3 outside."""
    return tf.constant(np.asarray(mask)[None] * 6 - 3, tf.float32)


def test_own_box_and_the_true_mask_give_one():
    got = mask_iou_targets(logits(np.ones((8, 8))), full([0, 0, 8, 8], [0, 0, 8, 8]))
    np.testing.assert_allclose(got, [1.0])


def test_half_of_the_instance_predicted():
    half = np.zeros((8, 8))
    half[:, :4] = 1
    got = mask_iou_targets(logits(half), full([0, 0, 8, 8], [0, 0, 8, 8]))
    np.testing.assert_allclose(got, [0.5])  # 32 common of 64


def test_what_lies_outside_the_roi_counts_in_the_union():
    # The roi sees the left half: a perfect mask there is half of the instance.
    got = mask_iou_targets(logits(np.ones((8, 8))), full([0, 0, 8, 8], [0, 0, 4, 8]))
    np.testing.assert_allclose(got, [0.5])  # 64 / (64 + 64 / 0.5 - 64)


def test_what_the_roi_has_too_much_is_not_the_instances():
    # The instance fills the left half of the roi; everything is predicted.
    got = mask_iou_targets(logits(np.ones((8, 8))), full([0, 0, 4, 8], [0, 0, 8, 8]))
    np.testing.assert_allclose(got, [0.5])  # 32 / (64 + 32 - 32)


def test_both_at_once():
    # Of a 16 x 8 instance the roi sees 4 x 8, its left half; predicted are the right
    # three quarters of the roi: 2 x 8 cells of 8 x 8 common, so 16 cells; the instance
    # has 32 cells in the roi and 32 / 0.25 = 128 in all.
    wide = np.zeros((8, 8))
    wide[:, 2:] = 1
    got = mask_iou_targets(logits(wide), full([-12, 0, 4, 8], [0, 0, 8, 8]))
    np.testing.assert_allclose(got, [16 / (48 + 128 - 16)], rtol=1e-6)


def test_cells_on_the_border_of_the_roi_count_in_part():
    # Columns 1 and 2 of four are set; the roi ends at 1.5 cells.
    mask = np.zeros((4, 4))
    mask[:, 1:3] = 1
    got = share_in_roi(instance(mask, [0, 0, 40, 40], [0, 0, 15, 40]))
    np.testing.assert_allclose(got, [0.25])  # half a column of two
    got = share_in_roi(instance(mask, [0, 0, 40, 40], [15, 10, 25, 30]))
    np.testing.assert_allclose(got, [0.25])  # one column's width, half the height


def test_share_equals_a_fine_raster():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((7, 7)) > 0.5
        x1, y1 = rng.integers(-5, 5, 2)
        x2, y2 = x1 + rng.integers(1, 9), y1 + rng.integers(1, 9)
        fine = np.repeat(np.repeat(mask, 20, 0), 20, 1)  # 7 cells over 10 pixels
        place = (np.arange(140) + 0.5) / 14
        inside = ((place >= y1) & (place < y2))[:, None] & (place >= x1) & (place < x2)
        got = share_in_roi(instance(mask, [0, 0, 10, 10], [x1, y1, x2, y2]))
        np.testing.assert_allclose(got, [(fine & inside).sum() / fine.sum()], atol=1e-5)


def test_threshold_is_a_probability_of_one_half():
    low = tf.fill([1, 8, 8], 0.01)
    targets = full([0, 0, 8, 8], [0, 0, 8, 8])
    np.testing.assert_allclose(mask_iou_targets(low, targets), [1.0])
    np.testing.assert_allclose(mask_iou_targets(-low, targets), [0.0])


@pytest.mark.parametrize(
    "case",
    [
        instance(np.zeros((4, 4)), [0, 0, 8, 8], [0, 0, 8, 8]),  # no area
        full([0, 0, 8, 8], [20, 20, 30, 30]),  # elsewhere
        full([5, 5, 5, 5], [0, 0, 8, 8]),  # a box without size
        full([0, 0, 8, 8], [3, 3, 3, 3]),  # a roi without size
    ],
)
def test_degenerate_instances_are_finite(case):
    got = mask_iou_targets(logits(np.ones((8, 8))), case).numpy()
    assert np.isfinite(got).all() and 0 <= got[0] <= 1


def test_targets_take_no_gradient():
    x = tf.Variable(logits(np.ones((8, 8))))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(mask_iou_targets(x, full([0, 0, 8, 8], [0, 0, 4, 8])))
    assert tape.gradient(total, x) is None


def test_sum_by_hand():
    predicted = tf.Variable([0.9, 0.2, 0.7])
    with tf.GradientTape() as tape:
        total = mask_iou_sum(predicted, tf.constant([0.5, 0.4, 0.0]))
    # 0.5 * (0.16 + 0.04); the third roi's mask misses its instance.
    assert float(total) == pytest.approx(0.1)
    np.testing.assert_allclose(tape.gradient(total, predicted), [0.4, -0.2, 0])


def test_no_rois_give_zero_and_finite_gradients():
    none = InstanceTargets(
        tf.zeros([0, 112, 112], tf.uint8),
        tf.zeros([0, 4]),
        tf.zeros([0, 4]),
        tf.zeros([0], tf.int32),
    )
    wanted = mask_iou_targets(tf.zeros([0, 28, 28]), none)
    assert wanted.shape == (0,)
    predicted = tf.zeros([0])
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        total = mask_iou_sum(predicted, wanted)
    assert float(total) == 0 and tape.gradient(total, predicted).shape == (0,)
