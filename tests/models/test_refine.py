"""The refining module in the model: training, inference, combinations."""

import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import (
    change,
    losses_and_gradients,
    small_batch,
    small_boxes,
    small_mask,
    small_model,
)
from models.refine_cases import (
    REFINE_TERMS,
    copy_weights,
    gradient_of,
    refine_model,
    spread_heads,
)

from tfmask.config import (
    MaskScoringConfig,
    PostprocessConfig,
)
from tfmask.configs.lineages import maskrcnn_benchmark
from tfmask.layers.naming import named_weights
from tfmask.models.build import build_model
from tfmask.models.counting import count_parameters, parameter_table


@pytest.fixture(scope="module")
def model():
    return refine_model()


def numpy(outputs):
    return {k: v.numpy() for k, v in outputs.items()}


@pytest.mark.parametrize("pooling", ["shape_aware", "plain"])
@pytest.mark.parametrize("candidates", ["detections", "proposals"])
def test_inference_returns_padded_detections(pooling, candidates):
    model = refine_model(pooling=pooling, candidates=candidates)
    out = numpy(tf.function(lambda b: model(b, training=False))(small_batch()))
    shapes = {k: v.shape for k, v in out.items()}
    assert shapes == {
        "boxes": (2, 20, 4),
        "scores": (2, 20),
        "labels": (2, 20),
        "valid": (2, 20),
        "masks": (2, 20, 28, 28),
    }
    valid = out["valid"]
    assert valid.any()
    assert out["boxes"].min() >= 0 and out["boxes"].max() <= 64
    assert (out["labels"][valid] >= 1).all()
    assert (np.diff(out["scores"], axis=1) <= 1e-6).all()
    assert not out["masks"][~valid].any()


@pytest.mark.parametrize("threshold", [0.0, 0.3])
@pytest.mark.parametrize("head", ["fcn", "boundary_preserving"])
def test_base_predictions_stand_where_nothing_is_refined(head, threshold):
    """With alpha 0 and the base's boxes and masks the result is the base's to the bit.

    Of all proposals: then every class of a candidate has a box of its own.
    """
    settings = {
        "mask": small_mask(head),
        "postprocess": PostprocessConfig(
            score_threshold=threshold, max_detections=20, nms_iou=0.3
        ),
    }
    base = small_model(**settings)
    spread_heads(base)
    refined = refine_model(
        settings, alpha=0.0, boxes=False, masks=False, candidates="proposals"
    )
    copy_weights(base, refined)
    expected, result = (m(small_batch(), training=False) for m in (base, refined))
    assert expected["valid"].numpy().any()
    assert set(expected) == set(result)
    for name in expected:
        np.testing.assert_array_equal(expected[name], result[name], err_msg=name)


def test_detections_at_alpha_zero_are_scored_by_the_base_alone():
    """Of detections: boxes are some of the base's, scores the base's of every class."""
    settings = {"postprocess": PostprocessConfig(max_detections=40, nms_iou=0.3)}
    base = small_model(**settings)
    spread_heads(base)
    refined = refine_model(settings, alpha=0.0, boxes=False, masks=False)
    copy_weights(base, refined)
    expected, result = (
        numpy(m(small_batch(), training=False)) for m in (base, refined)
    )
    for i in range(2):
        valid = result["valid"][i]
        boxes = {tuple(b) for b in expected["boxes"][i][expected["valid"][i]]}
        assert valid.any() and {tuple(b) for b in result["boxes"][i][valid]} <= boxes
        best = expected["scores"][i].max(), result["scores"][i].max()
        assert best[0] == best[1]


def test_training_has_every_loss_and_every_gradient(model):
    terms, gradients = losses_and_gradients(model, small_batch())
    assert set(terms) == set(model.loss_weights.names)
    assert set(terms) >= REFINE_TERMS
    for value in terms.values():
        assert np.isfinite(value) and float(value) > 0
    names = {id(v): path for path, v in named_weights(model).items()}
    for variable, gradient in zip(model.trainable_variables, gradients):
        assert gradient is not None, names[id(variable)]
        found = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(found).all() and found.any(), names[id(variable)]


@pytest.mark.parametrize("detach", [False, True])
def test_gradients_go_through_the_mask_and_the_flow(detach):
    model, batch = refine_model(detach_mask=detach), small_batch()
    with tf.GradientTape(persistent=True) as tape:
        terms = model.compute_losses(model(batch, training=True), batch)
    head = model.masks.head
    for term in ("refine_class", "refine_box"):
        # P weights what the refining box head sees.
        assert (gradient_of(tape, terms[term], head) > 0) != detach, term
        assert gradient_of(tape, terms[term], model.neck) > 0
        assert gradient_of(tape, terms[term], model.refinement.box_head) > 0
        # B is a place, not a function of the box head.
        assert gradient_of(tape, terms[term], model.boxes.stages[0].head.deltas) == 0
    # F^- is the feature before the base's deconvolution.
    assert gradient_of(tape, terms["refine_mask"], head.convs[0]) > 0
    assert gradient_of(tape, terms["refine_mask"], head.deconv) == 0
    assert gradient_of(tape, terms["refine_mask"], model.refinement.masks.flow) > 0
    assert gradient_of(tape, terms["refine_mask"], model.refinement.box_head) == 0


def _class_scores(model, batch) -> set:
    """The scores that the box head gives the classes of all proposals."""
    sizes = batch["image_sizes"]
    x = model.normalization([batch["images"], sizes])
    features = model.neck(model.backbone(x))
    anchors = model.proposals.anchors.of(features, batch["images"])
    proposals = model.proposals.propose(features, anchors, sizes, False)
    predicted = model.boxes.predict(features, proposals, sizes)
    return set(predicted.scores.numpy().ravel())


@pytest.mark.parametrize(
    "off,terms,parts",
    [
        (("classes",), {"refine_box", "refine_mask"}, {"box_head", "mask_head"}),
        (("boxes",), {"refine_class", "refine_mask"}, {"box_head", "mask_head"}),
        (("masks",), {"refine_class", "refine_box"}, {"box_head"}),
        (("classes", "boxes"), {"refine_mask"}, {"mask_head"}),
    ],
    ids=lambda v: "+".join(sorted(v)),
)
def test_switches_turn_losses_and_results_off(off, terms, parts):
    model, batch = refine_model(**dict.fromkeys(off, False)), small_batch()
    losses, _ = losses_and_gradients(model, batch)
    assert {t for t in losses if t.startswith("refine")} == terms
    assert set(losses) == set(model.loss_weights.names)
    built = {part for part, _ in parameter_table(model) if part.startswith("refine")}
    flow = {"refine_mask_flow"} if "masks" not in off else set()
    assert built == {f"refine_{part}" for part in parts} | flow

    plain = small_model()
    copy_weights(model, plain)
    base, out = (m(batch, training=False) for m in (plain, model))
    boxes = {tuple(box) for box in base["boxes"].numpy().reshape(-1, 4)}
    scores = set(base["scores"].numpy().ravel())
    found = out["boxes"].numpy().reshape(-1, 4)
    if "boxes" in off:
        assert {tuple(box) for box in found} <= boxes
    else:
        assert len({tuple(box) for box in found} & boxes) <= 1  # padding alone
    if "classes" in off:
        # Every class of a candidate has its base score.
        assert set(out["scores"].numpy().ravel()) <= _class_scores(plain, batch) | {0}
    else:
        assert len(set(out["scores"].numpy().ravel()) & scores) <= 1
    if off == ("classes", "boxes"):
        np.testing.assert_array_equal(out["boxes"], base["boxes"])
        assert (out["masks"].numpy() != base["masks"].numpy()).any()


def test_without_refined_masks_the_base_masks_of_the_final_boxes_are_returned():
    model, batch = refine_model(masks=False), small_batch()
    out = model(batch, training=False)
    features = model.neck(
        model.backbone(model.normalization([batch["images"], batch["image_sizes"]]))
    )
    place = tf.where(out["valid"])
    spec, boxes = model.masks.head.roi_specs["mask"], tf.gather_nd(out["boxes"], place)
    pooled = model.masks.pooling.pool(
        features, spec, boxes, tf.cast(place[:, 0], tf.int32)
    )
    logits = model.masks.head({"mask": pooled})["mask"].numpy()
    labels = tf.gather_nd(out["labels"], place).numpy()
    chosen = logits[np.arange(len(labels)), ..., labels - 1]
    np.testing.assert_allclose(
        tf.gather_nd(out["masks"], place), 1 / (1 + np.exp(-chosen)), atol=1e-5
    )


COMBINATIONS = {
    "mask scoring": dict(mask=dict(scoring=MaskScoringConfig(enabled=True))),
    "boundary preserving, mask scoring": dict(
        mask=dict(head="boundary_preserving", scoring=MaskScoringConfig(enabled=True))
    ),
    "encoder decoder": dict(mask=dict(head="encoder_decoder", pool_size=28)),
    "sobel": dict(mask=dict(sobel=True)),
    "maskrcnn-benchmark": dict(
        mask=dict(background_channel=True),
        boxes=small_boxes(background_row=True),
        inclusive_boxes=True,
    ),
    "class-agnostic boxes": dict(boxes=small_boxes(class_agnostic=True)),
    "training on predicted boxes": dict(mask=dict(train_on_predicted_boxes=True)),
    "bfloat16": dict(precision="bfloat16"),
}


@pytest.mark.parametrize("name", COMBINATIONS)
def test_refinement_composes_with(name):
    settings = dict(COMBINATIONS[name])
    mask = settings.pop("mask", {})
    model = refine_model(settings | {"mask": small_mask(**mask)})
    batch = small_batch()
    terms, gradients = losses_and_gradients(model, batch)
    expected = REFINE_TERMS.copy()
    if "scoring" in mask:
        expected |= {"refine_mask_iou"}
    if "sobel" in mask or mask.get("head") == "boundary_preserving":
        expected |= {"refine_boundary"}
    assert {t for t in terms if t.startswith("refine")} == expected
    assert all(v.dtype == tf.float32 and np.isfinite(v) for v in terms.values())
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients)
    for candidates in ("detections", "proposals"):
        model.refinement.candidates = candidates
        out = model(batch, training=False)
        assert out["valid"].numpy().any()
        assert all(np.isfinite(np.float32(v)).all() for v in out.values())
        assert out["boxes"].dtype == out["masks"].dtype == tf.float32
        assert ("mask_scores" in out) == ("scoring" in mask)


def test_mask_scores_are_of_the_refined_masks(monkeypatch):
    scoring = MaskScoringConfig(enabled=True)
    mask = small_mask(scoring=scoring)
    model, seen = refine_model({"mask": mask}), []

    class Head:
        pool_size = 14

        def __call__(self, inputs):
            seen.append(inputs[1])
            return tf.fill([tf.shape(inputs[1])[0], 3], 0.5)

    monkeypatch.setattr(model.masks, "scoring", Head())
    out = model(small_batch(), training=False)
    valid = out["valid"].numpy()
    np.testing.assert_array_equal(seen[-1], out["masks"].numpy()[valid])
    np.testing.assert_allclose(out["mask_scores"], 0.5 * out["scores"], rtol=1e-6)


def test_boundaries_are_of_the_refined_head():
    mask = small_mask("boundary_preserving")
    model = refine_model({"mask": mask})
    before = model(small_batch(), boundaries=True)["boundaries"].numpy()
    predictor = model.refinement.masks.head.boundary_predictor
    predictor.bias.assign(predictor.bias + 1.0)
    after = model(small_batch(), boundaries=True)["boundaries"].numpy()
    assert before.shape == (2, 20, 28, 28) and (after > before).any()


@pytest.mark.parametrize("kind", ["none", "half", "crowd"])
@pytest.mark.parametrize("rematch", [True, False])
def test_images_without_objects_give_finite_losses(kind, rematch):
    model, batch = refine_model(rematch=rematch), small_batch()
    if kind == "crowd":
        batch["crowd"] = batch["valid"]
    else:
        batch["valid"] &= tf.constant([[kind == "half"], [False]])
    terms, gradients = losses_and_gradients(model, batch)
    assert all(np.isfinite(v) for v in terms.values())
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients)
    if kind != "half":
        assert float(terms["refine_mask"]) == float(terms["refine_box"]) == 0


@pytest.mark.parametrize("candidates", ["detections", "proposals"])
def test_no_detection_gives_empty_masks(candidates):
    model = refine_model(candidates=candidates)
    change(model.boxes, "select", score_threshold=1.0)
    out = tf.function(lambda b: model(b, training=False))(small_batch())
    assert not out["valid"].numpy().any() and not out["masks"].numpy().any()


def test_not_a_number_in_the_weights_gives_no_crash():
    model = refine_model()
    for layer in (model.boxes.stages[0].head.deltas, model.refinement.box_head.deltas):
        layer.kernel.assign(tf.fill(layer.kernel.shape, np.nan))
    out = model(small_batch(), training=False)
    assert np.isfinite(out["boxes"]).all() and np.isfinite(out["masks"]).all()
    losses_and_gradients(model, small_batch())


def test_training_is_deterministic(model):
    first, second = (
        model.compute_losses(model(small_batch(), training=True), small_batch())
        for _ in range(2)
    )
    for name in REFINE_TERMS:
        assert float(first[name]) == float(second[name]), name


def test_batch_of_two_equals_two_batches_of_one(model):
    batch = small_batch()
    both = model(batch, training=False)
    for i in range(2):
        one = model({k: v[i : i + 1] for k, v in batch.items()}, training=False)
        np.testing.assert_array_equal(both["labels"][i], one["labels"][0])
        np.testing.assert_allclose(both["boxes"][i], one["boxes"][0], atol=0.05)
        np.testing.assert_allclose(both["masks"][i], one["masks"][0], atol=1e-3)


def test_padding_instances_change_no_refining_loss(model):
    batch = small_batch()
    padded = dict(batch)
    for name in ("boxes", "labels", "masks", "crowd", "valid"):
        widths = [[0, 0], [0, 4]] + [[0, 0]] * (len(batch[name].shape) - 2)
        value = tf.pad(tf.cast(batch[name], tf.float32), widths)
        padded[name] = tf.cast(value, batch[name].dtype)
    # All proposals are drawn, so that the draw is the same set.
    change(model.boxes, "sampler", batch=10_000)
    plain, more = (
        model.compute_losses(model(b, training=True), b) for b in (batch, padded)
    )
    change(model.boxes, "sampler", batch=32)
    for name in REFINE_TERMS:
        assert float(plain[name]) == pytest.approx(float(more[name]), rel=1e-4), name


def test_refining_heads_are_built_equal_to_the_base_heads():
    weights = named_weights(refine_model(spread=False))
    copies = [path for path in weights if path.startswith(("box_head", "mask_head"))]
    assert len(copies) == 8 + 8
    for path in copies:
        np.testing.assert_array_equal(weights[path], weights[f"refine_{path}"])


def test_r50_has_the_number_of_parameters_of_the_paper():
    settings = maskrcnn_benchmark().model
    settings.num_classes = 80
    settings.refine.enabled = True
    model = build_model(settings)
    table = dict(parameter_table(model))
    assert table["refine_box_head"] == 14_310_805
    assert table["refine_mask_head"] + table["refine_mask_flow"] == 2_709_329
    assert count_parameters(model) == 44_347_573 + 17_020_134
