import numpy as np
import pytest
import tensorflow as tf

from tfmask.ops._roi_gathers import as_gathers
from tfmask.ops.shape_aware_roi_align import shape_aware_roi_align

BOXES = [
    [3, 4, 30, 21],
    [-9, -3, 12, 15],  # partly outside
    [20, 20, 20, 20],  # empty
    [40, 30, 90, 70],  # far beyond the border
    [float("nan"), 0, 4, 4],
]


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [1, 2])
@pytest.mark.parametrize("masked", [True, False])
def test_gathers_equal_crop_and_resize(aligned, ratio, masked):
    rng = np.random.default_rng(0)
    features = [
        tf.constant(rng.normal(size=(2, *side, 3)), tf.float32)
        for side in ((12, 15), (6, 8))
    ]
    masks = tf.constant(rng.uniform(size=(5, 9, 9)), tf.float32) if masked else None
    arguments = (
        features,
        tf.constant(BOXES, tf.float32),
        tf.constant([0, 1, 1, 0, 1]),
        tf.constant([1, 0, 0, 1, 0]),
        masks,
    )
    settings = (4, [4.0, 8.0], ratio, aligned, "stock")
    expected = shape_aware_roi_align(*arguments, *settings)
    with as_gathers():
        result = shape_aware_roi_align(*arguments, *settings)
    assert result.shape == expected.shape and float(tf.reduce_max(expected)) > 0.5
    np.testing.assert_allclose(result, expected, atol=2e-5)


def test_an_adaptive_number_of_samples_is_refused():
    one = tf.zeros([1], tf.int32)
    with pytest.raises(ValueError, match="sampling_ratio=0"), as_gathers():
        shape_aware_roi_align(
            [tf.zeros([1, 4, 4, 2])],
            tf.zeros([1, 4]),
            one,
            one,
            None,
            2,
            [4.0],
            0,
            implementation="stock",
        )
