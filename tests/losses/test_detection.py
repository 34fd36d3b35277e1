import numpy as np
import pytest
import tensorflow as tf

from tfmask.losses import detection as losses


def test_smooth_l1_by_hand():
    errors = tf.constant([0.0, 0.5, -2.0])
    np.testing.assert_allclose(losses.smooth_l1(errors, 1.0), [0, 0.125, 1.5])
    np.testing.assert_allclose(losses.smooth_l1(errors, 0.0), [0, 0.5, 2.0])
    got = losses.smooth_l1(tf.constant(0.05), 1 / 9)
    assert float(got) == pytest.approx(0.5 * 0.05**2 * 9)


def test_objectness_by_hand():
    got = losses.objectness_sum(
        tf.constant([[0.0, 2.0, 9.0]]),
        tf.constant([[True, False, True]]),
        tf.constant([[True, True, False]]),
    )
    assert float(got) == pytest.approx(np.log(2) + np.log1p(np.e**2), rel=1e-6)


def test_box_sum_leaves_other_rows_out_even_if_they_are_not_finite():
    deltas = tf.Variable([[1.0, 0, 0, 0], [5.0, 5, 5, 5]])
    targets = tf.constant([[0.0, 0, 0, 2], [np.nan, np.inf, 0, 0]])
    with tf.GradientTape() as tape:
        loss = losses.box_sum(deltas, targets, tf.constant([True, False]), 0.0)
    assert float(loss) == 3.0
    np.testing.assert_array_equal(
        tape.gradient(loss, deltas), [[1, 0, 0, -1], [0, 0, 0, 0]]
    )


def test_class_sum_by_hand():
    logits = tf.math.log([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    got = losses.class_sum(logits, tf.constant([0, 2]))
    assert float(got) == pytest.approx(-np.log(0.7) - np.log(0.5), rel=1e-5)


def test_sum_of_means_and_its_gradient_are_those_of_tensorflow():
    loss = tf.constant(np.random.default_rng(0).normal(size=(5, 4, 6)), tf.float32)
    results = []
    for total in (
        losses.sum_of_means,
        lambda value: tf.reduce_sum(tf.reduce_mean(value, axis=[1, 2])),
    ):
        with tf.GradientTape() as tape:
            tape.watch(loss)
            value = 3 * total(loss)
        results.append((value, tape.gradient(value, loss)))
    for ours, theirs in zip(*results):
        np.testing.assert_array_equal(ours, theirs)


def test_mask_sum_by_hand():
    logits = tf.zeros([2, 28, 28])
    targets = tf.concat([tf.ones([1, 28, 28]), tf.zeros([1, 28, 28])], 0)
    assert float(losses.mask_sum(logits, targets)) == pytest.approx(
        2 * np.log(2), rel=1e-5
    )


def test_nothing_to_train_on_gives_zero_and_finite_gradients():
    logits, masks = tf.zeros([0, 3]), tf.zeros([0, 28, 28])
    deltas = tf.zeros([1, 4, 4])
    with tf.GradientTape() as tape:
        tape.watch([logits, masks, deltas])
        total = (
            losses.class_sum(logits, tf.zeros([0], tf.int32))
            + losses.mask_sum(masks, masks)
            + losses.box_sum(deltas, deltas + np.nan, tf.zeros([1, 4], tf.bool), 0.0)
        )
    assert float(total) == 0
    for gradient in tape.gradient(total, [logits, masks, deltas]):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_gradients_are_the_derivatives_of_the_formulas(beta):
    rng = np.random.default_rng(0)
    logits, deltas, masks = (
        tf.constant(rng.normal(size=s), tf.float32)
        for s in ([3, 7], [3, 7, 4], [3, 4, 5])
    )
    is_object, valid = (tf.constant(rng.random([3, 7]) < 0.5) for _ in range(2))
    targets = tf.constant(rng.normal(size=[3, 7, 4]), tf.float32)
    coverage = tf.constant(rng.random([3, 4, 5]), tf.float32)

    def ours():
        yield losses.objectness_sum(logits, is_object, valid)
        yield losses.box_sum(deltas, targets, is_object, beta)
        yield losses.mask_sum(masks, coverage)

    def formulas():
        p, q = (tf.sigmoid(v) for v in (logits, masks))
        y, used = (tf.cast(v, tf.float32) for v in (is_object, valid))
        entropy = y * tf.math.log(p) + (1 - y) * tf.math.log(1 - p)
        yield -tf.reduce_sum(used * entropy)
        errors = (deltas - targets) * y[..., None]
        yield tf.reduce_sum(losses.smooth_l1(errors, beta))
        entropy = coverage * tf.math.log(q) + (1 - coverage) * tf.math.log(1 - q)
        yield -tf.reduce_sum(entropy) / 20

    results = []
    for terms in (ours, formulas):
        with tf.GradientTape() as tape:
            tape.watch([logits, deltas, masks])
            values = list(terms())
            total = sum((1.5 + i) * value for i, value in enumerate(values))
        results.append([*values, *tape.gradient(total, [logits, deltas, masks])])
    for own, other in zip(*results):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-6)
