import numpy as np
import tensorflow as tf

from tfmask.ops.masks import mask_targets, select_class


def disc(side):
    """Coverage of the disc inscribed in a box, 0..255, by 8 x 8 samples a cell."""
    n = side * 8
    y, x = (np.mgrid[:n, :n] + 0.5) / n * 2 - 1
    fine = (x * x + y * y <= 1).astype(np.float32)
    return fine.reshape(side, 8, side, 8).mean((1, 3)) * 255


def exact_disc(box, roi, n):
    """The same disc, seen through a roi: middle of each cell inside or not."""
    x = roi[0] + (np.arange(n) + 0.5) / n * (roi[2] - roi[0])
    y = roi[1] + (np.arange(n) + 0.5) / n * (roi[3] - roi[1])
    x = (x - box[0]) / (box[2] - box[0]) * 2 - 1
    y = (y - box[1]) / (box[3] - box[1]) * 2 - 1
    return (x[None] ** 2 + y[:, None] ** 2 <= 1).astype(np.float32)


def target(box, roi, n, side=112):
    masks = tf.constant(disc(side)[None], tf.uint8)
    boxes = tf.constant([box], tf.float32)
    return mask_targets(masks, boxes, tf.constant([roi], tf.float32), n)[0].numpy()


def test_own_box_gives_the_averaged_mask():
    got = target([10, 20, 60, 90], [10, 20, 60, 90], 28)
    expected = np.floor(disc(112)).reshape(28, 4, 28, 4).mean((1, 3)) / 255
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_jittered_rois_agree_with_the_shape_itself():
    rng = np.random.default_rng(0)
    box = np.array([30, 40, 130, 100.0])
    for n in (14, 28, 56):
        equal = []
        for _ in range(20):
            roi = box + rng.uniform(-15, 15, 4)
            equal.append(
                np.mean((target(box, roi, n) >= 0.5) == exact_disc(box, roi, n))
            )
        assert np.mean(equal) > 0.995, n


def test_outside_the_instance_is_empty():
    assert target([0, 0, 10, 10], [50, 50, 60, 60], 28).max() == 0


def test_degenerate_boxes_are_finite():
    assert np.isfinite(target([5, 5, 5, 5], [0, 0, 10, 10], 28)).all()
    assert np.isfinite(target([0, 0, 10, 10], [3, 3, 3, 3], 28)).all()


def test_no_instances_give_an_empty_target():
    got = mask_targets(
        tf.zeros([0, 112, 112], tf.uint8), tf.zeros([0, 4]), tf.zeros([0, 4]), 28
    )
    assert got.shape == (0, 28, 28)


def test_select_class_takes_channel_label_minus_one():
    logits = tf.reshape(tf.range(2 * 1 * 1 * 3, dtype=tf.float32), [2, 1, 1, 3])
    got = select_class(logits, tf.constant([1, 3]))
    assert list(got.numpy().ravel()) == [0, 5]


def test_select_class_of_no_rois_has_a_gradient_of_the_right_shape():
    logits = tf.Variable(tf.ones([1, 4, 4, 3]))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(select_class(logits[:0], tf.zeros([0], tf.int32)))
    gradient = tape.gradient(total, logits)
    assert gradient.shape == (1, 4, 4, 3) and not np.any(tf.convert_to_tensor(gradient))
