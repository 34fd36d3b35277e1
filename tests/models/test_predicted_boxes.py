"""Mask heads trained on the boxes that are predicted, not on the proposals."""

import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import (
    losses_and_gradients,
    samples_of,
    small_batch,
    small_mask,
    small_model,
)

from tfmask.config import BoxesConfig, FastRCNNHeadConfig


def bmask(head=None, **changes):
    """A model with the boundary-preserving head; `head`: fields of its box head."""
    head = FastRCNNHeadConfig(fc_units=64, **(head or {}))
    return small_model(
        boxes=BoxesConfig(head=head), mask=small_mask("boundary_preserving", **changes)
    )


def set_deltas(model, rows):
    """The box head predicts the same deltas [K, 4] for every roi."""
    head = model.boxes.stages[0].head.deltas
    head.kernel.assign(tf.zeros_like(head.kernel))
    bias = np.zeros(head.bias.shape, np.float32)
    bias[-rows.size :] = rows.reshape(-1)
    head.bias.assign(bias)


DELTAS = np.float32([[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, -1]])


@pytest.mark.parametrize("background_row", [False, True])
def test_predicted_boxes_are_those_of_the_matched_class(background_row):
    """Weights are 10, 10, 5, 5: a delta of 1 moves by a tenth of the width, and so on.

    Class 1 shifts right by width / 10, class 2 up by height / 10, class 3 widens by
    e^0.2 and flattens by e^-0.2 about its centre.
    """
    model = bmask({"background_row": background_row}, train_on_predicted_boxes=True)
    set_deltas(model, DELTAS)
    out = model(small_batch(), training=True)
    samples = samples_of(out)
    fg = samples.valid.numpy() & (samples.labels.numpy() > 0)
    boxes, labels = samples.boxes.numpy()[fg], samples.labels.numpy()[fg]
    assert set(labels) == {1, 2, 3}
    expected = boxes.copy()
    size, centre = boxes[:, 2:] - boxes[:, :2], (boxes[:, 2:] + boxes[:, :2]) / 2
    shift = np.float32([[0.1, 0], [0, -0.1], [0, 0]])[labels - 1] * size
    grow = np.exp(np.float32([[0, 0], [0, 0], [0.2, -0.2]]))[labels - 1]
    expected[:, :2] = centre + shift - size * grow / 2
    expected[:, 2:] = centre + shift + size * grow / 2
    rois = out["mask_rois"]
    np.testing.assert_allclose(rois.boxes, expected, atol=1e-3)
    np.testing.assert_array_equal(rois.labels, labels)
    np.testing.assert_array_equal(rois.batch_indices, np.nonzero(fg)[0])


def test_class_agnostic_boxes_have_one_row():
    model = bmask({"class_agnostic": True}, train_on_predicted_boxes=True)
    set_deltas(model, DELTAS[:1])
    out = model(small_batch(), training=True)
    samples = samples_of(out)
    fg = samples.valid.numpy() & (samples.labels.numpy() > 0)
    boxes = samples.boxes.numpy()[fg]
    width = boxes[:, 2] - boxes[:, 0]
    np.testing.assert_allclose(
        out["mask_rois"].boxes.numpy()[:, 0], boxes[:, 0] + width / 10, atol=1e-3
    )


def test_proposals_stay_the_rois_by_default():
    out = bmask()(small_batch(), training=True)
    samples = samples_of(out)
    fg = samples.valid.numpy() & (samples.labels.numpy() > 0)
    np.testing.assert_array_equal(out["mask_rois"].boxes, samples.boxes.numpy()[fg])


def test_targets_are_cut_by_the_predicted_boxes():
    """All boxes predicted one and a half widths to the right see nothing of a mask."""
    model = bmask(train_on_predicted_boxes=True)
    far = np.float32([[30, 0, 0, 0]] * 3)
    batch = small_batch(instances=1)
    batch["labels"] = tf.where(batch["valid"], batch["labels"], 0)
    set_deltas(model, far)
    outputs = model(batch, training=True)
    outputs["masks"] = {
        k: tf.fill(tf.shape(v), -50.0) for k, v in outputs["masks"].items()
    }
    terms = model.compute_losses(outputs, batch)
    assert float(terms["mask"]) < 1e-6 and float(terms["boundary"]) < 1e-6
    set_deltas(model, 0 * far)
    outputs["mask_rois"] = model(batch, training=True)["mask_rois"]
    assert float(model.compute_losses(outputs, batch)["mask"]) > 1


def test_boxes_are_not_trained_by_the_masks():
    model, batch = bmask(train_on_predicted_boxes=True), small_batch()
    with tf.GradientTape() as tape:
        terms = model.compute_losses(model(batch, training=True), batch)
        loss = terms["mask"] + terms["boundary"]
    found = tape.gradient(loss, model.boxes.stages[0].head.trainable_variables)
    assert all(gradient is None for gradient in found)


@pytest.mark.parametrize("kind", ["none", "half"])
def test_predicted_boxes_without_foreground(kind):
    model, batch = bmask(train_on_predicted_boxes=True), small_batch()
    batch["valid"] &= tf.constant([[kind == "half"], [False]])
    terms, gradients = losses_and_gradients(model, batch)
    assert all(np.isfinite(v) for v in terms.values())
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients)
    assert (float(terms["mask"]) > 0) == (kind == "half")


def test_predicted_boxes_that_are_not_finite_do_not_end_the_process():
    model, batch = bmask(train_on_predicted_boxes=True), small_batch()
    bias = model.boxes.stages[0].head.deltas.bias
    bias.assign(tf.fill(bias.shape, np.nan))
    terms, _ = losses_and_gradients(model, batch)
    assert not np.isfinite(
        float(terms["box_regression"])
    )  # the trainer's guard sees it
