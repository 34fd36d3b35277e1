"""Boxes of all kinds on two levels, and a call of shape-aware RoIAlign on them."""

import numpy as np
import pytest
import tensorflow as tf
from compiled_ops import IMPLEMENTATIONS

from tfmask.ops.shape_aware_roi_align import shape_aware_roi_align

both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
STRIDES = [4.0, 8.0]
# Inside, over each border, outside, thin, without area, not finite.
BOXES = np.array(
    [
        [3.3, 5.1, 40.2, 44.9],
        [-30.7, -20.3, 15.2, 12.1],
        [50.3, 40.6, 95.7, 70.2],
        [200.0, 200.0, 240.0, 230.0],
        [0.4, 8.3, 68.1, 12.2],
        [20.3, 20.1, 20.3, 20.1],
        [30.0, 20.0, 10.0, 5.0],
        [np.nan, 0.0, 5.0, 5.0],
        [0.0, 0.0, np.inf, 5.0],
    ],
    np.float32,
)
IMAGES = np.arange(len(BOXES), dtype=np.int32) % 2
LEVELS = np.array([0, 1, 0, 0, 1, 0, 0, 1, 0], np.int32)


def inputs(dtype=np.float32, mask_shape=(5, 6), channels=3, seed=0):
    rng = np.random.default_rng(seed)
    features = [
        rng.normal(size=(2, 12 // 2**i, 17 // 2**i, channels)).astype(dtype)
        for i in range(2)
    ]
    masks = rng.uniform(size=(len(BOXES), *mask_shape)).astype(dtype)
    return features, masks


def call(features, masks, size, implementation, sampling=2, aligned=True, **changed):
    named = {"boxes": BOXES, "batch_indices": IMAGES, "levels": LEVELS, **changed}
    return shape_aware_roi_align(
        features=[tf.convert_to_tensor(f) for f in features],
        masks=masks if masks is None else tf.convert_to_tensor(masks),
        size=size,
        strides=STRIDES[: len(features)],
        sampling_ratio=sampling,
        aligned=aligned,
        implementation=implementation,
        **{name: tf.convert_to_tensor(value) for name, value in named.items()},
    )
