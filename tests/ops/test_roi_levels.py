import numpy as np
import pytest
import tensorflow as tf

from tfmask.ops.roi_levels import LevelsBySize


def squares(*sides) -> tf.Tensor:
    return tf.constant([[3.0, 5.0, 3.0 + side, 5.0 + side] for side in sides])


def test_levels_begin_at_the_canonical_size_and_its_halves_and_doubles():
    rule = LevelsBySize.of_pyramid(2, 5)
    assert rule.areas == (112.0**2, 224.0**2, 448.0**2)
    boxes = squares(1, 111.9, 112, 223.9, 224, 447.9, 448, 5000)
    np.testing.assert_array_equal(rule.assign(boxes), [0, 0, 1, 1, 2, 2, 3, 3])
    # A canonical size of 56 puts a box of 112 a level higher than 4.
    np.testing.assert_array_equal(
        LevelsBySize.of_pyramid(3, 6, 56.0).assign(squares(27, 28, 56, 112)),
        [0, 0, 1, 2],
    )


def test_boxes_without_area_and_not_finite_have_a_level():
    rule = LevelsBySize.of_pyramid(2, 5)
    nan, inf = np.nan, np.inf
    boxes = [
        [5, 5, 5, 5],
        [9, 9, 1, 1],
        [nan, 0, 500, 500],
        [0, 0, inf, 9],
        [0, 0, nan, inf],
    ]
    levels = rule.assign(tf.constant(np.array(boxes, np.float32)))
    np.testing.assert_array_equal(levels, [0, 0, 0, 3, 0])


def test_one_level_takes_every_box():
    rule = LevelsBySize.of_pyramid(3, 3)
    assert rule.areas == ()
    np.testing.assert_array_equal(rule.assign(squares(1, 900)), [0, 0])
    assert rule.assign(tf.zeros([0, 4])).shape == (0,)


@pytest.mark.parametrize("first, last", [(2, 5), (3, 4)])
def test_levels_equal_the_logarithm_of_the_paper(first, last):
    rng = np.random.default_rng(0)
    sides = np.exp(rng.uniform(np.log(4), np.log(1500), (5000, 2)))
    corners = rng.uniform(0, 900, (5000, 2))
    boxes = tf.constant(np.hstack([corners, corners + sides]).astype(np.float32))
    roots = np.sqrt(np.prod(sides, 1))
    expected = np.clip(np.floor(4 + np.log2(roots / 224)), first, last) - first
    levels = LevelsBySize.of_pyramid(first, last).assign(boxes)
    np.testing.assert_array_equal(levels, expected)
