import numpy as np
import pytest
import tensorflow as tf

from tfmask.ops.nms import ABSENT, class_offsets, nms


def greedy(boxes, scores, threshold):
    """Plain NumPy reference."""
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if scores[i] <= ABSENT:
            continue
        ok = True
        for j in kept:
            side = np.minimum(boxes[i, 2:], boxes[j, 2:]) - np.maximum(
                boxes[i, :2], boxes[j, :2]
            )
            inner = np.prod(np.maximum(side, 0))
            union = sum(np.prod(b[2:] - b[:2]) for b in boxes[[i, j]]) - inner
            ok &= inner / union <= threshold
        if ok:
            kept.append(i)
    return kept


def case(count, seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (count, 2))], 1)
    return boxes.astype(np.float32), rng.uniform(0, 1, count).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_nms_equals_a_plain_loop(threshold):
    boxes, scores = case(80, 3)
    scores[::7] = 2 * ABSENT
    indices, count = nms(tf.constant(boxes), tf.constant(scores), threshold, 80)
    assert list(indices.numpy()[: int(count)]) == greedy(boxes, scores, threshold)


def test_nms_of_nothing_is_empty():
    _, count = nms(tf.zeros([0, 4]), tf.zeros([0]), 0.5, 10)
    assert int(count) == 0


def test_one_suppression_with_offsets_equals_one_a_class():
    boxes, scores = case(120, 4)
    classes = np.random.default_rng(5).integers(0, 7, 120)
    moved = class_offsets(
        tf.constant(boxes), tf.constant(classes, tf.int32), 7, tf.constant([100, 100])
    )
    indices, count = nms(moved, tf.constant(scores), 0.4, 120)
    expected = []
    for k in range(7):
        members = np.flatnonzero(classes == k)
        expected += list(members[greedy(boxes[members], scores[members], 0.4)])
    assert set(indices.numpy()[: int(count)]) == set(expected)
