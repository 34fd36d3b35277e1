import numpy as np
import pytest
import tensorflow as tf

from tfmask.ops import boxes


def random_boxes(count, seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 80, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(1, 60, (count, 2))], 1).astype(
        np.float32
    )


def iou_by_pixels(a, b):
    """Overlap of integer boxes, counted pixel by pixel."""
    grid = np.zeros((2, 64, 64), bool)
    for i, (x1, y1, x2, y2) in enumerate((a, b)):
        grid[i, y1:y2, x1:x2] = True
    return (grid[0] & grid[1]).sum() / max((grid[0] | grid[1]).sum(), 1)


def test_iou_counts_pixels():
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 30, (12, 2))
    table = np.concatenate([corner, corner + rng.integers(0, 30, (12, 2))], 1)
    got = boxes.pairwise_iou(
        tf.constant(table, tf.float32), tf.constant(table, tf.float32)
    )
    expected = [[iou_by_pixels(a, b) for b in table] for a in table]
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_ioa_is_the_share_of_the_first_box():
    small, large = tf.constant([[0.0, 0, 4, 4]]), tf.constant([[2.0, 0, 100, 100]])
    assert float(boxes.ioa(small, large)[0]) == 0.5
    assert float(boxes.ioa(large, small)[0]) == pytest.approx(8 / 9800)
    apart = tf.constant([[50.0, 50, 60, 60], [3.0, 3, 3, 3]])
    assert boxes.ioa(apart, small).numpy().tolist() == [0.0, 0.0]


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (10, 10, 5, 5)])
def test_decode_inverts_encode(weights):
    gt, anchors = random_boxes(50, 1), random_boxes(50, 2)
    deltas = boxes.encode(tf.constant(gt), tf.constant(anchors), weights)
    back = boxes.decode(deltas, tf.constant(anchors), weights, 10.0)
    np.testing.assert_allclose(back, gt, atol=2e-4)


def test_encode_by_hand():
    deltas = boxes.encode(
        tf.constant([[10.0, 10, 30, 50]]), tf.constant([[0.0, 0, 10, 20]]), (1, 1, 2, 2)
    )
    np.testing.assert_allclose(
        deltas, [[1.5, 1.0, 2 * np.log(2), 2 * np.log(2)]], rtol=1e-6
    )


def test_degenerate_boxes_give_finite_deltas():
    empty = tf.constant([[5.0, 5, 5, 5]])
    assert np.isfinite(boxes.encode(empty, empty, (1, 1, 1, 1))).all()


def test_huge_log_scale_is_bounded():
    box = boxes.decode(
        tf.constant([[0.0, 0, 1e9, 1e9]]),
        tf.constant([[0.0, 0, 16, 16]]),
        (1,) * 4,
        2.0,
    )
    np.testing.assert_allclose(box[0, 2] - box[0, 0], 16 * np.e**2, rtol=1e-5)


def test_clip_empties_boxes_that_are_not_finite():
    table = [[np.nan, 0, 5, 5], [-5, -5, 500, 500], [0, 0, np.inf, 3]]
    got = boxes.clip(tf.constant(table, tf.float32), tf.constant([40, 60]))
    np.testing.assert_array_equal(got, [[0, 0, 0, 0], [0, 0, 60, 40], [0, 0, 0, 0]])


def test_clip_of_boxes_of_several_images():
    table = tf.fill([2, 3, 4], 50.0) * [-1, -1, 1, 1]
    sizes = tf.constant([[40, 60], [30, 20]])
    expected = np.float32([[0, 0, 50, 40], [0, 0, 20, 30]])
    np.testing.assert_array_equal(boxes.clip(table[:, 0], sizes), expected)
    got = boxes.clip(table, sizes[:, None])
    np.testing.assert_array_equal(got, np.repeat(expected[:, None], 3, axis=1))


def test_inclusive_clip_keeps_one_pixel():
    got = boxes.clip(tf.constant([[90.0, 90, 99, 99]]), tf.constant([40, 60]), True)
    np.testing.assert_array_equal(got, [[59, 39, 60, 40]])


def test_has_sides_wants_positive_extent():
    table = tf.constant([[0.0, 0, 0, 5], [0, 0, 1, 1], [3, 3, 2, 5]])
    assert list(boxes.has_sides(table, 0.0).numpy()) == [False, True, False]
    assert not boxes.has_sides(tf.constant([[0.0, 0, 0.5, 2]]), 1.0)[0]
