"""BMask R-CNN as a whole: losses, gradients, the rois of training, boundaries shown."""

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
    BoundaryConfig,
    BoundaryPreservingHeadConfig,
    Config,
    FCNMaskHeadConfig,
    validate,
)
from tfmask.configs.lineages import detectron2, maskrcnn_benchmark
from tfmask.errors import ConfigError
from tfmask.layers.naming import named_weights
from tfmask.models.build import build_model
from tfmask.models.counting import count_parameters
from tfmask.structures import ClassMap
from tfmask.weights import files as weight_files
from tfmask.weights.load import load_weights

TERMS = {"rpn_objectness", "rpn_box", "box_class", "box_regression", "mask", "boundary"}
HEAD = "boundary_preserving"


def mask_config(**changes):
    return small_mask(**({"head": HEAD} | changes))


def bmask(precision="float32", **changes):
    return small_model(mask=mask_config(**changes), precision=precision)


@pytest.fixture(scope="module")
def model():
    return bmask()


# --- parameters ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "lineage,plain",
    # maskrcnn-benchmark has a channel for the background in both predictors.
    [(detectron2, 44_343_216), (maskrcnn_benchmark, 44_347_573 + 257)],
    ids=["detectron2", "maskrcnn_benchmark"],
)
def test_r50_has_the_published_number_of_parameters(lineage, plain):
    settings = lineage().model
    settings.num_classes = 80
    background = settings.mask.head.background_channel
    settings.mask.head = BoundaryPreservingHeadConfig(background_channel=background)
    count = count_parameters(build_model(settings))
    assert count == plain + 2_774_864
    if lineage is detectron2:
        assert count == 47_118_080


def test_sobel_head_adds_its_two_convolutions():
    plain, sobel = (small_model(mask=small_mask(sobel=on)) for on in (False, True))
    assert count_parameters(sobel) - count_parameters(plain) == 225


# --- training -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"boundary_size": 14, "boundary_levels": ("p2", "p3", "p4", "p5")},
        {"mask_to_boundary": False, "boundary_to_mask": False},
        {"boundary": BoundaryConfig(target="mask")},
        {"boundary": BoundaryConfig(loss="weighted_bce")},
        {"boundary": BoundaryConfig(loss="dice", dice_squared=True)},
        {"boundary": BoundaryConfig(loss="bce"), "background_channel": True},
        {"train_on_predicted_boxes": True},
        {"head": "fcn", "sobel": True},
    ],
    ids=lambda changes: ",".join(changes) or "default",
)
def test_every_variant_has_every_loss_and_every_gradient(changes):
    model = bmask(**changes)
    terms, gradients = losses_and_gradients(model, small_batch())
    assert set(terms) == TERMS == set(model.loss_weights.names)
    for value in terms.values():
        assert np.isfinite(value) and float(value) > 0
    for variable, gradient in zip(model.trainable_variables, gradients):
        assert gradient is not None, variable.name
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()


def test_without_boundary_supervision_the_head_stays_and_its_end_is_not_trained():
    model = bmask(boundary=BoundaryConfig(target="none"))
    terms, gradients = losses_and_gradients(model, small_batch())
    assert set(terms) == TERMS - {"boundary"} == set(model.loss_weights.names)
    weights = {id(v): path for path, v in named_weights(model).items()}
    untrained = {
        weights[id(v)].rsplit("/", 1)[0]
        for v, gradient in zip(model.trainable_variables, gradients)
        if gradient is None
    }
    assert untrained == {"mask_head/boundary_deconv", "mask_head/boundary_predictor"}
    assert count_parameters(model) == count_parameters(bmask())


def test_boundary_loss_trains_everything_but_the_end_of_the_mask(model):
    batch = small_batch()
    with tf.GradientTape() as tape:
        loss = model.compute_losses(model(batch, training=True), batch)["boundary"]
    weights = named_weights(model)
    names = [path for path in weights if weights[path].trainable]
    found = tape.gradient(loss, [weights[path] for path in names])
    trained = {
        path
        for path, gradient in zip(names, found)
        if gradient is not None and np.any(tf.convert_to_tensor(gradient))
    }
    # Mask and boundary features come from P2 for instances as small as these.
    for layer in ("mask_fcn1", "mask_to_boundary", "downsample", "boundary_fcn2"):
        assert f"mask_head/{layer}/kernel" in trained
    assert {"neck/fpn_output2/kernel", "backbone/res2_0/conv1/kernel"} <= trained
    for layer in ("mask_final_fusion", "deconv", "predictor", "boundary_to_mask"):
        assert f"mask_head/{layer}/kernel" not in trained
    assert not any(path.startswith(("rpn_head", "box_head")) for path in trained)


@pytest.mark.parametrize("loss", ["dice_bce", "dice", "bce", "weighted_bce"])
@pytest.mark.parametrize("kind", ["empty", "crowd"])
def test_images_without_objects_give_zero_and_zero_gradients(loss, kind):
    model, batch = bmask(boundary=BoundaryConfig(loss=loss)), small_batch()
    if kind == "crowd":
        batch["crowd"] = batch["valid"]
    else:
        batch["valid"] = tf.zeros_like(batch["valid"])
    terms, gradients = losses_and_gradients(model, batch)
    assert float(terms["boundary"]) == float(terms["mask"]) == 0
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients)
    head = {id(v) for v in model.masks.head.trainable_variables}
    for variable, gradient in zip(model.trainable_variables, gradients):
        if id(variable) in head:
            assert not np.any(tf.convert_to_tensor(gradient)), variable.name


@pytest.mark.parametrize("loss", ["dice_bce", "weighted_bce"])
def test_padding_instances_change_nothing(loss):
    model = bmask(boundary=BoundaryConfig(loss=loss))
    batch, padded = small_batch(), {}
    for name, value in batch.items():
        padded[name] = value
        if name in ("boxes", "labels", "masks", "crowd", "valid"):
            widths = [[0, 0], [0, 4]] + [[0, 0]] * (len(value.shape) - 2)
            padded[name] = tf.cast(
                tf.pad(tf.cast(value, "float32"), widths), value.dtype
            )
    # All proposals are drawn, so that the draw itself is the same set.
    change(model.boxes, "sampler", batch=10_000)
    model.proposals.batch = 100_000
    plain, more = (
        model.compute_losses(model(b, training=True), b) for b in (batch, padded)
    )
    for name in TERMS:
        assert float(plain[name]) == pytest.approx(float(more[name]), rel=1e-4), name


def test_loss_of_the_mask_is_the_mean_over_rois_and_that_of_the_boundary_too(model):
    batch = small_batch()
    outputs = model(batch, training=True)
    terms = model.compute_losses(outputs, batch)
    # Logits of zero: cross-entropy ln 2 a cell for both; Dice by the boundary's size.
    outputs["masks"] = {k: tf.zeros_like(v) for k, v in outputs["masks"].items()}
    zeros = model.compute_losses(outputs, batch)
    assert float(zeros["mask"]) == pytest.approx(np.log(2), rel=1e-5)
    dice = float(zeros["boundary"]) - np.log(2)
    # With y boundary cells of 784: 1 - (y + 1) / (392 + y + 1), of 0..108 cells.
    assert 1 - 109 / 501 <= dice <= 1 - 1 / 393
    assert set(terms) == TERMS


@pytest.mark.slow
def test_losses_of_mask_and_boundary_fall_on_one_repeated_batch():
    model, batch = bmask(), small_batch()
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)

    @tf.function
    def step():
        terms, gradients = losses_and_gradients(model, batch)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return terms["mask"], terms["boundary"]

    first = [float(v) for v in step()]
    for _ in range(15):
        last = [float(v) for v in step()]
    assert last[0] < 0.9 * first[0] and last[1] < 0.9 * first[1]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_low_precision_keeps_losses_in_float32_and_near_the_exact_ones(precision):
    batch = small_batch()
    low, gradients = losses_and_gradients(bmask(precision), batch)
    assert all(v.dtype == tf.float32 and np.isfinite(v) for v in low.values())
    assert all(g is not None for g in gradients)
    exact, _ = losses_and_gradients(bmask(), batch)
    assert float(low["boundary"]) == pytest.approx(float(exact["boundary"]), rel=0.1)


# --- around the model ---------------------------------------------------------------


def test_weights_of_other_classes_reset_both_predictors(model, tmp_path):
    path = tmp_path / "bmask.weights.h5"
    three = ClassMap((1, 2, 3), ("a", "b", "c"))
    weight_files.write(path, weight_files.model_weights(model), three, None)
    other = ClassMap((1, 2, 3), ("x", "y", "z"))
    report = load_weights(bmask(), path, class_map=other, reset_classes=True)
    layers = {name.rsplit("/", 1)[0] for name in report.reset}
    assert layers == {
        "box_head/class_logits",
        "box_head/deltas",
        "mask_head/predictor",
        "mask_head/boundary_predictor",
    }


@pytest.mark.parametrize("size,boundary", [(7, 28), (28, 14), (21, 28)])
def test_sizes_that_no_stride_joins_are_a_configuration_error(size, boundary):
    config = Config()
    config.model.mask = mask_config(pool_size=size, boundary_size=boundary)
    with pytest.raises(ConfigError, match=f"boundary_size={boundary}.*={size}:"):
        validate(config)
    config.model.mask.head = FCNMaskHeadConfig(
        pool_size=size
    )  # which has no boundary feature
    validate(config)
