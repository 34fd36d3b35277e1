import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfmask.models.packing import pack
from tfmask.models.postprocess import DetectionSelection

SETTINGS = DetectionSelection(score_threshold=0.1, nms_iou=0.5, max_detections=4)


def run(scores, boxes, valid=None, settings=SETTINGS):
    scores = tf.constant(scores, tf.float32)[None]
    boxes = tf.constant(boxes, tf.float32)[None]
    valid = (
        tf.ones(scores.shape[:2], tf.bool) if valid is None else tf.constant([valid])
    )
    out, _ = settings.select(scores, boxes, valid, tf.constant([[100, 100]]))
    return type(out)(*(v[0].numpy() for v in out))


def test_suppression_is_within_a_class():
    box = [10, 10, 30, 30]
    out = run([[0.9, 0.0], [0.8, 0.7]], [[box, box], [box, box]])
    assert list(out.labels) == [1, 2, 0, 0]
    np.testing.assert_allclose(out.scores, [0.9, 0.7, 0, 0])


def test_suppression_over_all_classes_keeps_the_best_of_a_place():
    box, beside = [10, 10, 30, 30], [40, 10, 60, 30]
    settings = dataclasses.replace(SETTINGS, nms_scope="all")
    # The same place by two classes, of one roi and of two; another place.
    out = run(
        [[0.6, 0.5], [0.3, 0.7], [0.0, 0.2]], [[box] * 2, [box] * 2, [beside] * 2],
        settings=settings,
    )  # fmt: skip
    assert out.labels.tolist() == [2, 2, 0, 0]
    np.testing.assert_allclose(out.scores, [0.7, 0.2, 0, 0])
    np.testing.assert_array_equal(out.boxes[:2], [box, beside])
    shared = run([[0.6, 0.5]], [[box]], settings=settings)
    assert shared.labels.tolist() == [1, 0, 0, 0]
    with pytest.raises(ValueError, match="nms_scope"):
        dataclasses.replace(SETTINGS, nms_scope="image")


def test_scores_at_the_threshold_and_invalid_rows_are_left_out():
    boxes = [[[i * 20, 0, i * 20 + 10, 10]] for i in range(4)]
    out = run([[0.1], [0.5], [0.6], [0.05]], boxes, [True, True, False, True])
    np.testing.assert_allclose(out.scores, [0.5, 0, 0, 0])
    np.testing.assert_array_equal(out.boxes[0], [20, 0, 30, 10])


def test_boxes_are_clipped_and_empty_ones_dropped():
    out = run([[0.9], [0.8]], [[[-5, -5, 120, 50]], [[150, 150, 160, 160]]])
    assert list(out.valid) == [True, False, False, False]
    np.testing.assert_array_equal(out.boxes[0], [0, 0, 100, 50])


def test_one_box_for_all_classes():
    out = run([[0.9, 0.8]], [[[0, 0, 10, 10]]])
    assert list(out.labels) == [1, 2, 0, 0]
    np.testing.assert_array_equal(out.boxes[0], out.boxes[1])


def test_scores_that_are_not_finite_are_left_out():
    out = run(
        [[np.nan], [np.inf], [0.4]],
        [[[0, 0, 9, 9]], [[20, 0, 29, 9]], [[40, 0, 49, 9]]],
    )
    np.testing.assert_allclose(out.scores, [0.4, 0, 0, 0], rtol=1e-6)


def test_no_candidate_gives_padding_alone():
    out = run([[0.0]], [[[0, 0, 10, 10]]])
    assert not out.valid.any() and not out.boxes.any() and not out.labels.any()


def test_packing_is_undone_by_restore():
    valid = tf.constant([[True, False, True], [False, True, False]])
    values = tf.reshape(tf.range(12.0), [2, 3, 2])
    rois = pack(valid)
    assert list(rois.batch_indices.numpy()) == [0, 0, 1]
    back = rois.restore(rois.take(values))
    np.testing.assert_array_equal(back, values * tf.cast(valid, tf.float32)[..., None])
