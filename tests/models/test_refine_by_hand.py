"""The refining module on numbers small enough to follow; K is 3."""

import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import change, small_batch
from models.refine_cases import refine_model

from tfmask.models.box_stages import BoxPredictions, StageOutputs
from tfmask.models.refine import Reading
from tfmask.models.rules import BoxCoder
from tfmask.structures import RoISamples, Targets

SIZES = tf.constant([[100, 100]])
LEFT, RIGHT = [10, 10, 30, 30], [40, 40, 60, 60]
E = np.e


@pytest.fixture(scope="module")
def refiner():
    """A refining module with what it refines bound to its methods."""
    model = refine_model(spread=False)
    change(model.boxes, "select", score_threshold=0.3)
    object.__setattr__(model.refinement, "base", model.branches())  # no part of its own
    return model.refinement


@pytest.fixture
def settings(refiner, monkeypatch):
    """Sets attributes of the module for one test."""

    def set_all(**fields):
        for name, value in fields.items():
            monkeypatch.setattr(refiner, name, value)

    return set_all


@pytest.fixture
def readings(refiner, monkeypatch):
    """Hand-made readings in place of the heads; collects the rois that are read."""
    seen = []

    def give(logits, deltas):
        def read(base, features, rois, image_sizes, every_class=False):
            seen.append(rois)
            rows = tf.range(tf.shape(rois.boxes)[0])
            hidden = tf.reshape(tf.cast(rows, tf.float32), [-1, 1, 1, 1])
            logits_, deltas_ = np.float32(logits), np.float32(deltas)
            return Reading(hidden, tf.constant(logits_), tf.constant(deltas_))

        monkeypatch.setattr(refiner, "read", read)
        return seen

    return give


def predicted():
    """Two rois: on the left class 1 with 0.711, on the right class 2 with 0.475."""
    logits = tf.constant([[[0.0, 2, 0, 0], [0, 0, 1, 0]]])
    boxes = tf.constant([[[LEFT] * 3, [RIGHT] * 3]], tf.float32)
    scores = tf.nn.softmax(logits)[..., 1:]
    return BoxPredictions(logits, scores, boxes, tf.constant([[True, True]]))


def detections(refiner):
    """(label, score, box) of each, and where each one's F^- comes from."""
    found, earlier = refiner.detect(refiner.base, None, predicted(), SIZES)
    keep = found.valid.numpy()
    rows = [
        (int(label), pytest.approx(float(score), abs=1e-4), [float(x) for x in box])
        for label, score, box in zip(
            found.labels[keep], found.scores[keep], found.boxes[keep]
        )
    ]
    return rows, earlier.numpy().ravel().tolist()


def some_deltas():
    """Of two rois: the first moves by half its width (10 pixels) for class 2."""
    deltas = np.zeros((2, 3, 4))
    deltas[0, 1, 0] = 10 * 0.5
    return deltas


def test_logits_are_averaged_before_the_softmax(refiner, readings):
    readings([[0, 0, 2, 0], [0, 0, 3, 0]], some_deltas())
    # left: mean [0, 1, 1, 0], e / (2e + 2) for two classes; right: mean [0, 0, 2, 0]
    rows, earlier = detections(refiner)
    assert rows == [
        (2, E**2 / (E**2 + 3), RIGHT),
        (1, E / (2 * E + 2), LEFT),
        (2, E / (2 * E + 2), [20, 10, 40, 30]),
    ]
    assert earlier == [1, 0, 0]


def test_large_alpha_leaves_the_refined_scores(refiner, readings, settings):
    settings(alpha=1e6)
    readings([[0, 0, 2, 0], [0, 0, 3, 0]], some_deltas())
    rows, earlier = detections(refiner)
    # The left one is of class 2 now, its own class is below the threshold.
    assert rows == [
        (2, E**3 / (E**3 + 3), RIGHT),
        (2, E**2 / (E**2 + 3), [20, 10, 40, 30]),
    ]
    assert earlier == [1, 0]


def test_alpha_weights_the_refined_logits(refiner, readings, settings):
    settings(alpha=3.0)
    readings([[0, 2, 0, 0], [0, 0, 5, 0]], np.zeros((2, 3, 4)))
    # right: (1 + 3 * 5) / 4 = 4
    assert detections(refiner)[0] == [
        (2, E**4 / (E**4 + 3), RIGHT),
        (1, E**2 / (E**2 + 3), LEFT),
    ]


@pytest.mark.parametrize("candidates", ["detections", "proposals"])
def test_a_module_that_agrees_changes_nothing(refiner, readings, settings, candidates):
    settings(candidates=candidates)
    readings([[0, 2, 0, 0], [0, 0, 1, 0]], np.zeros((2, 3, 4)))
    assert detections(refiner)[0] == [
        (1, E**2 / (E**2 + 3), LEFT),
        (2, E / (E + 3), RIGHT),
    ]


def test_every_class_of_a_candidate_has_its_fused_score(refiner, readings):
    """Both rois lie on one place; class 2 of the second is suppressed by the first.

    The module moves the second one's box of class 2 away, where it is a detection.
    """
    logits = tf.constant([[[0.0, 0, 3, 0], [0, 2, 1.8, 0]]])
    boxes = tf.constant([[[LEFT] * 3, [LEFT] * 3]], tf.float32)
    base = BoxPredictions(
        logits, tf.nn.softmax(logits)[..., 1:], boxes, tf.constant([[True, True]])
    )
    deltas = np.zeros((2, 3, 4))
    deltas[1, 1, 0] = 10 * 3
    readings([[0, 0, 3, 0], [0, 2, 1.8, 0]], deltas)
    found, _ = refiner.detect(refiner.base, None, base, SIZES)
    assert found.labels[found.valid].numpy().tolist() == [2, 1, 2]
    np.testing.assert_allclose(
        found.boxes[found.valid], [LEFT, LEFT, [70, 10, 90, 30]], rtol=1e-6
    )


def test_proposals_are_read_as_their_likeliest_class(refiner, readings, settings):
    settings(candidates="proposals")
    seen = readings([[0, 0, 2, 0], [0, 0, 3, 0]], some_deltas())
    base = predicted()._replace(
        boxes=tf.constant(
            [[[LEFT, RIGHT, RIGHT], [LEFT, [50, 50, 120, 90], LEFT]]], tf.float32
        )
    )
    found, _ = refiner.detect(refiner.base, None, base, SIZES)
    assert seen[-1].labels.numpy().tolist() == [1, 2]
    np.testing.assert_allclose(seen[-1].boxes, [LEFT, [50, 50, 100, 90]])
    # All classes of both: class 2 of each, and class 1 of the left one.
    assert sorted(found.labels[found.valid].numpy().tolist()) == [1, 2, 2]


@pytest.mark.parametrize("setting,of_masks", [("target", 2), ("predicted", 1)])
def test_labels_and_predictions_choose_boxes_and_masks(
    refiner, readings, settings, monkeypatch, setting, of_masks
):
    settings(labels=setting)
    monkeypatch.setattr(refiner, "masks", None)
    seen = readings(np.zeros((2, 4)), np.zeros((2, 3, 4)))
    samples = RoISamples(
        tf.constant([[LEFT, RIGHT, LEFT]], tf.float32),
        tf.constant([[2, 0, 1]]),
        tf.constant([[0, 0, 0]]),
        tf.constant([[True, True, False]]),
    )
    # The foreground's box is that of its label 2 although class 1 is likelier, and its
    # mask that of the one or the other. The background's likeliest class is 3, though
    # the background itself is likelier still.
    class_logits = tf.constant([[0.0, 5, 1, 0], [9, 1, 0, 3]])
    deltas = np.zeros((2, 3, 4), np.float32)
    deltas[:, :, 0] = 10 * np.float32([0.1, 0.2, 0.3])  # 2, 4 or 6 pixels
    output = StageOutputs(samples, class_logits, tf.constant(deltas))
    refiner.train(refiner.base, None, output, one(), SIZES)
    assert seen[-1].labels.numpy().tolist() == [of_masks, 3]
    np.testing.assert_allclose(
        seen[-1].boxes, [[14, 10, 34, 30], [46, 40, 66, 60]], rtol=1e-6
    )


def one(crowd=False):
    """Ground truth: LEFT of class 2, and RIGHT, a crowd region if asked for."""
    return Targets(
        tf.constant([[LEFT, RIGHT]], tf.float32),
        tf.constant([[2, 1]]),
        tf.fill([1, 2, 8, 8], tf.constant(255, tf.uint8)),
        tf.constant([[False, crowd]]),
        tf.constant([[True, crowd]]),
    )


@pytest.mark.parametrize(
    "rematch,labels,valid",
    [
        (True, [2, 0, 0, 0], [True, True, False, False]),
        (False, [0, 2, 0, 0], [True, True, True, False]),
    ],
)
def test_labels_of_refined_boxes(
    refiner, readings, settings, monkeypatch, rematch, labels, valid
):
    settings(rematch=rematch)
    monkeypatch.setattr(refiner, "masks", None)
    readings(np.zeros((4, 4)), np.zeros((4, 3, 4)))
    samples = RoISamples(
        tf.constant([[[20, 10, 40, 30], LEFT, LEFT, LEFT]], tf.float32),
        tf.constant([[0, 2, 0, 0]]),
        tf.constant([[0, 0, 0, 0]]),
        tf.constant([[True] * 4]),
    )
    # To the object; away from it; into the crowd region; out of the image.
    shifts = [[-10, 0], [30, 0], [30, 30], [-90, 0]]
    deltas = np.zeros((4, 3, 4), np.float32)
    deltas[..., :2] = 10 * np.float32(shifts)[:, None] / 20
    output = StageOutputs(samples, tf.zeros([4, 4]), tf.constant(deltas))
    outputs = refiner.train(refiner.base, None, output, one(crowd=True), SIZES)
    found = outputs["samples"]
    np.testing.assert_allclose(
        found.boxes[0, :3], [LEFT, [40, 10, 60, 30], RIGHT], atol=1e-4
    )
    assert found.valid[0].numpy().tolist() == valid
    kept = found.valid[0].numpy()
    assert found.labels[0].numpy()[kept].tolist() == np.array(labels)[kept].tolist()
    logits, deltas = outputs["boxes"]
    assert len(logits) == len(deltas) == sum(valid)


@pytest.mark.parametrize("weight", [10.0, 20.0])
def test_losses_of_boxes(refiner, settings, weight):
    weights = (weight, weight, weight / 2, weight / 2)
    settings(coder=BoxCoder(regression_weights=weights))
    samples = RoISamples(
        tf.constant([[[8, 10, 28, 30], RIGHT, LEFT]], tf.float32),
        tf.constant([[2, 0, 0]]),
        tf.constant([[0, 0, 0]]),
        tf.constant([[True, True, False]]),
    )
    outputs = {"samples": samples, "boxes": (tf.zeros([2, 4]), tf.zeros([2, 3, 4]))}
    terms = refiner.losses(refiner.base, outputs, one())
    assert float(terms["refine_class"]) == pytest.approx(np.log(4))
    # One of two rois is off by 2 of 20 pixels in x.
    assert float(terms["refine_box"]) == pytest.approx(weight * 0.1 / 2, rel=1e-4)


def test_the_mask_head_is_trained_on_the_refined_boxes_of_the_labels(monkeypatch):
    model, batch = refine_model(), small_batch()
    refiner, calls = model.refinement, {}
    change(refiner, "coder", regression_weights=(5.0, 5.0, 5.0, 5.0))
    for owner, name in ((refiner, "read"), (refiner.masks, "run")):
        original = getattr(owner, name)

        def call(*args, original=original, name=name, **kwargs):
            found = original(*args, **kwargs)
            calls[name] = (args, kwargs, found)
            return found

        monkeypatch.setattr(owner, name, call)
    outputs = model(batch, training=True)["refined"]
    samples, rois = outputs["samples"], outputs["mask_rois"]
    (_, _, boxes_read, *_), _, reading = calls["read"]
    fg = (samples.valid & (samples.labels > 0)).numpy()
    base = samples.boxes.numpy()[fg]
    assert len(base) > 3
    labels = samples.labels.numpy()[fg]
    np.testing.assert_array_equal(rois.labels, labels)
    # Rows of the reading that are foreground, by their boxes.
    rows = [np.flatnonzero((boxes_read.boxes.numpy() == b).all(1))[0] for b in base]
    deltas = reading.deltas.numpy()[rows, labels - 1] / 5.0
    size = base[:, 2:] - base[:, :2]
    centre = base[:, :2] + size / 2 + deltas[:, :2] * size
    half = np.exp(deltas[:, 2:]) * size / 2
    expected = np.clip(np.concatenate([centre - half, centre + half], 1), 0, 64)
    np.testing.assert_allclose(rois.boxes, expected, atol=1e-3)
    np.testing.assert_array_equal(
        calls["run"][1]["earlier"], reading.hidden.numpy()[rows]
    )
