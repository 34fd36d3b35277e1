"""Every mask head with every extension; Mask Scoring in the model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import (
    change,
    losses_and_gradients,
    small_batch,
    small_mask,
    small_model,
)

from tfmask.config import (
    BoundaryRefinementConfig,
    ContextConfig,
    MaskScoringConfig,
    PyramidConfig,
    QuasiConfig,
    RoIConfig,
)
from tfmask.layers.naming import named_weights
from tfmask.models.mask_branch import MaskRoIs
from tfmask.ops.masks import InstanceTargets, select_class

BOXES = {"rpn_objectness", "rpn_box", "box_class", "box_regression"}
HEADS = {
    "fcn": {},
    "boundary_preserving": {},
    "encoder_decoder": {"pool_size": 28},
}
MASKPLUS = {
    "context": ContextConfig(filters=(16, 32)),
    "pyramid": PyramidConfig(enabled=True),
    "refinement": BoundaryRefinementConfig(kind="improved"),
    "quasi": QuasiConfig(sizes=(0.5, 2.0)),
}
SCORING = {"scoring": MaskScoringConfig(enabled=True)}
EXTENSIONS = {
    "nothing": {},
    "scoring": SCORING,
    "maskplus": MASKPLUS,
    "maskplus, scoring": MASKPLUS | SCORING,
}


def branch_model(head="fcn", precision="float32", **changes):
    mask = small_mask(head, **(HEADS[head] | changes))
    return small_model(mask=mask, roi=RoIConfig(batch=16), precision=precision)


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("head", HEADS)
def test_every_head_takes_every_extension(head, extension):
    model, batch = branch_model(head, **EXTENSIONS[extension]), small_batch()
    expected = BOXES | {"mask"}
    if head == "boundary_preserving":
        expected |= {"boundary"}
    if "maskplus" in extension:
        expected |= {"mask_quasi_half", "mask_quasi_double"}
    if "scoring" in extension:
        expected |= {"mask_iou"}
    terms, gradients = losses_and_gradients(model, batch)
    assert set(terms) == expected == set(model.loss_weights.names)
    for name, value in terms.items():
        assert np.isfinite(value) and float(value) > 0, name
    for variable, gradient in zip(model.trainable_variables, gradients):
        assert gradient is not None, variable.name
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), variable.name
    optimizer = keras.optimizers.SGD(0.01)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    out = tf.function(lambda b: model(b, training=False))(batch)
    assert out["masks"].shape == (2, 20, 28, 28)
    assert np.isfinite(out["masks"]).all() and out["valid"].numpy().any()
    assert ("mask_scores" in out) == ("scoring" in extension)


def test_the_papers_form_of_the_encoder_decoder_is_a_setting():
    model = branch_model("encoder_decoder", form="paper")
    assert model.masks.head.form == "paper"
    terms, gradients = losses_and_gradients(model, small_batch())
    assert float(terms["mask"]) > 0 and all(g is not None for g in gradients)


@pytest.mark.parametrize("head", HEADS)
def test_no_foreground_is_no_loss_of_the_branch(head):
    model, batch = branch_model(head, **MASKPLUS, **SCORING), small_batch()
    batch["valid"] &= False
    terms, gradients = losses_and_gradients(model, batch)
    for name in set(terms) - BOXES:
        assert float(terms[name]) == 0, name
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients)
    change(model.boxes, "select", score_threshold=1.0)
    out = model(batch, training=False)
    assert not out["masks"].numpy().any() and not out["mask_scores"].numpy().any()


@pytest.mark.parametrize("head", HEADS)
def test_low_precision_gives_finite_float32_results(head):
    model = branch_model(head, "bfloat16", **MASKPLUS, **SCORING)
    terms, gradients = losses_and_gradients(model, small_batch())
    assert all(v.dtype == tf.float32 and np.isfinite(v) for v in terms.values())
    assert all(g is not None for g in gradients)
    out = model(small_batch(), training=False)
    assert out["masks"].dtype == out["mask_scores"].dtype == tf.float32
    assert np.isfinite(out["mask_scores"]).all()


# --- Mask Scoring -------------------------------------------------------------------


@pytest.mark.parametrize("head, size", [("fcn", 14), ("encoder_decoder", 28)])
def test_mask_iou_head_sees_14_bins_whatever_the_mask_head_pools(head, size):
    branch = branch_model(head, **SCORING).masks
    assert branch.head.roi_specs["mask"].size == size
    assert branch.scoring.pool_size == 14
    assert branch.scoring.convs[0].kernel.shape == (3, 3, 33, 32)


def test_mask_score_is_the_score_times_the_iou_of_the_class():
    model = branch_model(**SCORING)
    change(model.boxes, "select", max_detections=100)  # some of every class
    last = model.masks.scoring.predictor
    last.kernel.assign(tf.zeros_like(last.kernel))
    last.bias.assign([0.75, 0.25, 3.0])
    out = {k: v.numpy() for k, v in model(small_batch(), training=False).items()}
    assert {1, 2, 3} == set(out["labels"][out["valid"]])
    factors = np.float32([0, 0.75, 0.25, 3])[out["labels"]]  # not clipped to 1
    np.testing.assert_allclose(out["mask_scores"], out["scores"] * factors, rtol=1e-6)
    last.bias.assign([-1.0] * 3)  # nor to 0
    out = model(small_batch(), training=False)
    np.testing.assert_allclose(out["mask_scores"], -out["scores"], rtol=1e-6)


def test_scoring_changes_neither_boxes_nor_scores_nor_masks():
    plain, rated = branch_model(), branch_model(**SCORING)
    theirs = named_weights(rated)
    for path, weight in named_weights(plain).items():
        weight.assign(theirs[path])
    assert {p.split("/")[0] for p in set(theirs) - set(named_weights(plain))} == {
        "mask_iou_head",
        "loss_weights",
    }
    before = plain(small_batch(), training=False)
    after = rated(small_batch(), training=False)
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name], name)


def scored_targets(rois):
    """Instances that fill their boxes of 10 x 10 pixels at the origin."""
    count = len(rois)
    return InstanceTargets(
        tf.fill([count, 112, 112], tf.constant(255, tf.uint8)),
        tf.tile([[0.0, 0, 10, 10]], [count, 1]),
        tf.constant(rois, tf.float32),
        tf.ones([count], tf.int32),
    )


def test_mask_iou_loss_is_the_mean_over_the_masks_that_meet_their_instance():
    branch = branch_model(**SCORING).masks
    # The second roi sees half of its instance, the third none of it.
    targets = scored_targets([[0, 0, 10, 10], [0, 0, 5, 10], [20, 20, 30, 30]])
    outputs = {
        "mask": tf.fill([3, 28, 28, 3], 5.0),
        "mask_iou": tf.constant([0.8, 0.9, 0.6]),
    }
    loss = branch.losses(outputs, targets)["mask_iou"]
    assert float(loss) == pytest.approx((0.5 * 0.2**2 + 0.5 * 0.4**2) / 2, rel=1e-4)
    nothing = branch.losses(outputs | {"mask": -outputs["mask"]}, targets)
    assert float(nothing["mask_iou"]) == 0


@pytest.mark.parametrize("detach", [False, True])
def test_gradient_of_the_mask_iou_reaches_the_mask_head_unless_detached(detach):
    scoring = MaskScoringConfig(enabled=True, detach_mask=detach)
    model, batch = branch_model(scoring=scoring), small_batch()
    predictor = model.masks.head.predictor.kernel
    with tf.GradientTape() as tape:
        terms = model.compute_losses(model(batch, training=True), batch)
    sources = [predictor, model.neck.trainable_weights[0]]
    mask, neck = tape.gradient(terms["mask_iou"], sources)
    assert (mask is None) == detach
    assert detach or np.abs(mask).max() > 0
    assert np.abs(neck).max() > 0


@pytest.mark.parametrize("count", [1, 4, 6])  # at 1 no mask of the first replica counts
def test_losses_of_two_replicas_sum_to_those_of_one(count):
    script = Path(__file__).with_name("branch_replicas.py")
    done = subprocess.run(
        [sys.executable, script, str(count)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == {"mask", "mask_quasi_half", "boundary", "mask_iou"}
    for name, (one, two) in found.items():
        assert one > 0 and two == pytest.approx(one, rel=1e-5), name


@pytest.mark.parametrize("extension", ["nothing", "maskplus, scoring"])
@pytest.mark.parametrize("head", ["fcn", "boundary_preserving"])
def test_at_test_the_branch_gives_the_class_of_each_roi_alone(head, extension):
    model = branch_model(head, **EXTENSIONS[extension])
    features = {
        name: tf.random.stateless_normal([1, size, size, 32], [1, size])
        for name, size in {"p2": 16, "p3": 8, "p4": 4, "p5": 2}.items()
    }
    labels = tf.constant([1, 3, 2])
    boxes = tf.constant([[0.0, 0, 20, 30], [5, 5, 60, 50], [30, 2, 40, 9]])
    rois, sizes = (
        MaskRoIs(boxes, tf.zeros_like(labels), labels),
        tf.constant([[64, 64]]),
    )
    kernel = model.masks.head.predictor.kernel
    kernel.assign(tf.random.stateless_normal(kernel.shape, [5, 5]))
    run = model.masks.run
    alone = run(features, rois, sizes, False, boundaries=True)
    every = run(features, rois, sizes, False, boundaries=True, every_class=True)
    assert every["mask"].shape == (3, 28, 28, 3)
    assert set(alone) == set(every)
    for name in ("mask", "boundary") if head == "boundary_preserving" else ("mask",):
        np.testing.assert_allclose(
            alone[name], select_class(every[name], labels), atol=1e-4
        )
    if "mask_iou" in every:
        np.testing.assert_allclose(alone["mask_iou"], every["mask_iou"], atol=1e-4)
