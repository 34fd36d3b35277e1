import numpy as np
import pytest
import tensorflow as tf
from compiled_ops import IMPLEMENTATIONS
from golden import cases

from tfmask.ops.roi_align import multilevel_roi_align, roi_align
from tfmask.ops.shape_aware_roi_align import shape_aware_roi_align

ARANGE = tf.constant(np.arange(25).reshape(1, 5, 5, 1), tf.float32)


@pytest.fixture(params=IMPLEMENTATIONS, autouse=True)
def implementation(request, monkeypatch):
    """Every test runs with the stock ops and with the compiled one."""
    mode = "off" if request.param == "stock" else "require"
    monkeypatch.setenv("TFMASK_CUSTOM_OPS", mode)
    return request.param


def bilinear(feature, y, x):
    """RoIAlign's reading of a map: zero beyond one pixel outside, border up to it."""
    height, width = feature.shape[:2]
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(feature.shape[2])
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = min(int(y), height - 2), min(int(x), width - 2)
    dy, dx = y - top, x - left
    corner = feature[top : top + 2, left : left + 2]
    return (1 - dy) * ((1 - dx) * corner[0, 0] + dx * corner[0, 1]) + dy * (
        (1 - dx) * corner[1, 0] + dx * corner[1, 1]
    )


def reference(features, boxes, batch_indices, size, stride, sampling, aligned):
    """RoIAlign written from Mask R-CNN sec. 3, sample by sample."""
    out = np.zeros((len(boxes), size, size, features.shape[-1]))
    shift = 0.5 if aligned else 0.0
    for n, (box, image) in enumerate(zip(boxes, batch_indices)):
        x1, y1, x2, y2 = box / stride - shift
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1), max(height, 1)
        sy = sampling or max(int(np.ceil(height / size)), 1)
        sx = sampling or max(int(np.ceil(width / size)), 1)
        for i, j in np.ndindex(size, size):
            total = 0
            for a, b in np.ndindex(sy, sx):
                y = y1 + (i + (a + 0.5) / sy) * height / size
                x = x1 + (j + (b + 0.5) / sx) * width / size
                total = total + bilinear(features[image], y, x)
            out[n, i, j] = total / (sy * sx)
    return out


def test_hand_table():
    # A box from (1, 1) to (3, 3) on 0..24: bin middles lie a quarter pixel off.
    boxes, batch_indices = tf.constant([[1.0, 1, 3, 3]]), tf.constant([0])
    old = roi_align(ARANGE, boxes, batch_indices, 4, 1.0, 0, aligned=False)[0, ..., 0]
    row = np.array([7.5, 8, 8.5, 9])
    np.testing.assert_allclose(old, row + np.array([[0], [2.5], [5], [7.5]]), atol=1e-4)
    new = roi_align(ARANGE, boxes, batch_indices, 4, 1.0, 0, aligned=True)[0, ..., 0]
    row = np.array([4.5, 5, 5.5, 6])
    np.testing.assert_allclose(new, row + np.array([[0], [2.5], [5], [7.5]]), atol=1e-4)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling", [0, 1, 2, 3])
def test_equals_the_sample_by_sample_reference(aligned, sampling):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, 12, 17, 3)).astype(np.float32)
    boxes = np.array(
        [
            [0, 0, 68, 48],
            [3.3, 5.1, 20.2, 44.9],
            [-30, -20, 15, 12],
            [60, 40, 90, 70],
            [10, 10, 11, 11],
            [20, 20, 20, 20],
            [200, 200, 240, 230],
            [0, 8, 68, 12],
        ],
        np.float32,
    )
    batch_indices = np.arange(len(boxes)) % 2
    got = roi_align(
        tf.constant(features),
        tf.constant(boxes),
        tf.constant(batch_indices, tf.int32),
        3,
        4.0,
        sampling,
        aligned,
    )
    expected = reference(features, boxes, batch_indices, 3, 4.0, sampling, aligned)
    np.testing.assert_allclose(got, expected, atol=2e-4)


def test_boxes_outside_the_image_give_zero():
    got = roi_align(ARANGE, tf.constant([[50.0, 50, 60, 60]]), tf.constant([0]), 2, 1.0)
    np.testing.assert_array_equal(got, np.zeros((1, 2, 2, 1)))


def test_boxes_that_are_not_finite_neither_crash_nor_spread():
    bad = tf.constant([[np.nan, 0, 5, 5], [0, 0, np.inf, 5], [-1e30, 0, 1e30, 5]])
    with tf.GradientTape() as tape:
        tape.watch(ARANGE)
        pooled = roi_align(ARANGE, bad, tf.constant([0, 0, 0]), 2, 1.0, 2)
        total = tf.reduce_sum(pooled)
    assert np.isfinite(pooled).all()
    assert np.isfinite(tape.gradient(total, ARANGE)).all()


@pytest.mark.parametrize("sampling", [0, 2])
def test_no_boxes_give_an_empty_result(sampling):
    got = multilevel_roi_align(
        [ARANGE, ARANGE],
        tf.zeros([0, 4]),
        tf.zeros([0], tf.int32),
        3,
        [1.0, 2.0],
        sampling_ratio=sampling,
    )
    assert got.shape == (0, 3, 3, 1)


@pytest.mark.parametrize("sampling", [0, 2])
def test_gradient_equals_finite_differences(sampling):
    boxes, batch_indices = tf.constant([[0.7, 1.2, 4.4, 3.9]]), tf.constant([0])
    weights = tf.constant(
        np.random.default_rng(1).normal(size=(1, 2, 2, 1)), tf.float32
    )

    def value(x):
        return tf.reduce_sum(
            roi_align(x, boxes, batch_indices, 2, 1.0, sampling) * weights
        )

    with tf.GradientTape() as tape:
        tape.watch(ARANGE)
        total = value(ARANGE)
    gradient = tape.gradient(total, ARANGE).numpy().ravel()
    # RoIAlign is linear in the features: each unit image gives one derivative.
    units = tf.reshape(tf.eye(25), [25, 1, 5, 5, 1])
    expected = [float(value(unit)) for unit in units]
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_multilevel_keeps_the_order_of_boxes():
    pyramid = [tf.fill([1, 64 // 2**i, 64 // 2**i, 1], float(i)) for i in range(4)]
    sides = np.array([300, 20, 600, 150, 30], np.float32)
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], 1) * 0.1
    got = multilevel_roi_align(
        pyramid,
        tf.constant(boxes),
        tf.zeros([5], tf.int32),
        1,
        [4.0 * 2**i for i in range(4)],
        canonical_size=22.4,
    )
    assert list(got.numpy().ravel()) == [2, 0, 3, 1, 0]


def arange_pyramid():
    """Levels of one channel whose value is 10 times the level plus the column."""
    return [
        tf.broadcast_to(
            10.0 * level + np.arange(256 // 2**level, dtype=np.float32)[:, None],
            [1, 256 // 2**level, 256 // 2**level, 1],
        )
        for level in (2, 3)
    ]


def test_inclusive_boxes_choose_their_level_before_a_pixel_is_taken_off():
    # 112 inclusive pixels belong to P3; pooling reads the 111 between their middles,
    # which end at columns 111 / 8 = 13.875 of P3. 111 pixels belong to P2.
    boxes = tf.constant([[0.0, 0, 112, 112], [0.0, 0, 111, 111]])
    pooled = multilevel_roi_align(
        arange_pyramid(),
        boxes,
        tf.zeros([2], tf.int32),
        1,
        [4.0, 8.0],
        sampling_ratio=2,
        aligned=False,
        inclusive=True,
    )
    expected = [30 + 111 / 8 / 2, 20 + 110 / 4 / 2]
    np.testing.assert_allclose(pooled[:, 0, 0, 0], expected, rtol=1e-5)


def test_every_level_is_pooled_for_each_box():
    boxes = tf.constant([[0.0, 0, 112, 112], [16.0, 0, 48, 32], [0.0, 0, 8, 8]])
    indices = tf.zeros([3], tf.int32)
    masks = tf.random.uniform([3, 4, 4])
    for weights in (None, masks):
        pooled = multilevel_roi_align(
            arange_pyramid(), boxes, indices, 3, [4.0, 8.0], masks=weights, assign="all"
        )
        assert pooled.shape == (3, 2, 3, 3, 1)
        for level, feature in enumerate(arange_pyramid()):
            alone = shape_aware_roi_align(
                [feature], boxes, indices, 0 * indices, weights, 3, [4.0 * 2**level]
            )
            np.testing.assert_allclose(pooled[:, level], alone, rtol=1e-6)


def test_an_unknown_assignment_is_refused():
    with pytest.raises(ValueError, match="'nearest'"):
        multilevel_roi_align(
            arange_pyramid(),
            tf.zeros([1, 4]),
            tf.zeros([1], tf.int32),
            1,
            [4.0, 8.0],
            assign="nearest",
        )


def test_equals_what_detectron2_computed():
    rows = cases.run("detectron2_roialign")
    assert rows and all(row.holds for row in rows), rows
