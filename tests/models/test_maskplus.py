"""MaskPlus as a whole: each technique alone, all five, and what their losses train."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import (
    losses_and_gradients,
    small_batch,
    small_mask,
    small_model,
)

from tfmask.config import (
    BoundaryRefinementConfig,
    ContextConfig,
    LossWeightConfig,
    LossWeightPoint,
    PyramidConfig,
    QuasiConfig,
    TrainConfig,
)
from tfmask.configs.lineages import tensorpack
from tfmask.errors import ConfigError
from tfmask.layers.naming import named_weights
from tfmask.models.build import build_model
from tfmask.models.counting import parameter_table
from tfmask.training.callbacks import loss_weight_callbacks
from tfmask.training.optimizer import build_optimizer

TECHNIQUES = {
    "context": {"context": ContextConfig(filters=(16, 32))},
    "pyramid": {"pyramid": PyramidConfig(enabled=True)},
    "refinement": {"refinement": BoundaryRefinementConfig(kind="improved")},
    "half": {"quasi": QuasiConfig(sizes=(0.5,))},
    "double": {"quasi": QuasiConfig(sizes=(2.0,))},
}
ALL = {
    **TECHNIQUES["context"],
    **TECHNIQUES["pyramid"],
    **TECHNIQUES["refinement"],
    "quasi": QuasiConfig(sizes=(0.5, 2.0)),
}
VARIANTS = {
    **TECHNIQUES,
    "all": ALL,
    "context of p2, no last relu": {
        "context": ContextConfig(filters=(32,), level="p2", last_relu=False)
    },
    "pyramid before, 4x4": {
        "pyramid": PyramidConfig(enabled=True, position="before", kernel_size=4)
    },
    "original refinement of features": {
        "refinement": BoundaryRefinementConfig(kind="original", source="features")
    },
    "improved refinement of features": {
        "refinement": BoundaryRefinementConfig(
            kind="improved", source="features", first_kernel=3, prelu="channel"
        )
    },
}
PARTS = {
    "context": "contextual_fusion",
    "pyramid": "deconvolutional_pyramid",
    "refinement": "boundary_refinement",
    "half": "quasi_half",
    "double": "quasi_double",
}
BIASED = LossWeightConfig(
    kind="step",
    points=(LossWeightPoint(at=0, weight=1.5), LossWeightPoint(at=0.5, weight=1.0)),
)
SHARED = ("neck/fpn_lateral2/kernel", "backbone/res2_0/conv1/kernel")


def maskplus(precision="float32", **changes):
    mask = small_mask(**changes)
    model = small_model(mask=mask, precision=precision)
    refinement = model.masks.refinement
    if refinement is not None:
        # It begins at zero, which would hide all of the refinement.
        kernel = refinement.projection.kernel
        kernel.assign(tf.random.normal(kernel.shape, stddev=0.1, seed=1))
    return model


def trained_by(model, *terms):
    """Paths of the weights that get a gradient other than zero from these losses."""
    batch = small_batch()
    with tf.GradientTape() as tape:
        losses = model.compute_losses(model(batch, training=True), batch)
        total = tf.add_n([losses[term] for term in terms])
    weights = {k: v for k, v in named_weights(model).items() if v.trainable}
    gradients = tape.gradient(total, list(weights.values()))
    return {
        path
        for path, gradient in zip(weights, gradients)
        if gradient is not None and np.any(tf.convert_to_tensor(gradient))
    }


# --- parameters ---------------------------------------------------------------------


def test_r50_grows_by_the_parameters_of_each_technique():
    settings = tensorpack().model
    settings.num_classes = 80
    mask = settings.mask
    mask.context = ContextConfig(filters=(720, 512, 512, 256))
    mask.pyramid = PyramidConfig(enabled=True)
    mask.refinement = BoundaryRefinementConfig(kind="improved")
    mask.quasi = QuasiConfig(sizes=(0.5, 2.0))
    table = dict(parameter_table(build_model(settings)))
    added = {part: table.pop(part) for part in PARTS.values()}
    assert added == {
        "contextual_fusion": 8_517_584,
        "deconvolutional_pyramid": 1_704_960,
        "boundary_refinement": 16_472,
        "quasi_half": 2_380_880,
        "quasi_double": 2_905_680,
    }
    assert sum(table.values()) == 44_347_316 + 53_120  # as without them


# --- training -----------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_every_loss_and_every_gradient(variant):
    model = maskplus(**VARIANTS[variant])
    terms, gradients = losses_and_gradients(model, small_batch())
    assert {t.removeprefix("mask_") for t in terms if "quasi" in t} == {
        f"quasi_{'half' if size < 1 else 'double'}"
        for size in VARIANTS[variant].get("quasi", QuasiConfig()).sizes
    }
    for value in terms.values():
        assert np.isfinite(value) and float(value) > 0
    for variable, gradient in zip(model.trainable_variables, gradients):
        assert gradient is not None, variable.name
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()
    assert np.isfinite(model(small_batch(), training=False)["masks"]).all()


@pytest.mark.parametrize("technique", ["context", "pyramid", "refinement"])
def test_mask_loss_trains_the_technique_the_head_and_the_feature(technique):
    model = maskplus(**TECHNIQUES[technique])
    own = [path for path in named_weights(model) if path.startswith(PARTS[technique])]
    own = [path for path in own if "moving" not in path]
    trained = trained_by(model, "mask")
    # Shifts before a batch norm and slopes of 0.001 may have no visible effect.
    kernels = {path for path in own if path.endswith("kernel")}
    assert kernels and kernels <= trained
    assert {"mask_head/mask_fcn1/kernel", "mask_head/deconv/kernel"} <= trained
    assert set(SHARED) <= trained


@pytest.mark.parametrize("technique", ["half", "double"])
def test_quasi_loss_trains_its_branch_and_the_feature_and_no_other_head(technique):
    model, part = maskplus(**TECHNIQUES[technique]), PARTS[technique]
    trained = trained_by(model, f"mask_{part}")
    own = {path for path in named_weights(model) if path.startswith(part)}
    assert own and own <= trained
    assert set(SHARED) <= trained
    others = ("mask_head", "box_head", "rpn_head")
    assert not [path for path in trained if path.startswith(others)]


def test_context_brings_the_coarse_level_into_the_mask_loss():
    # Instances as small as these are pooled from P2: only the context reads P5.
    paths = {"neck/fpn_output5/kernel"}
    assert not paths & trained_by(maskplus(), "mask")
    assert paths <= trained_by(maskplus(**TECHNIQUES["context"]), "mask")


@pytest.mark.parametrize("after_context", [True, False])
def test_quasi_branch_sees_the_context_as_asked(after_context):
    quasi = QuasiConfig(sizes=(0.5,), after_context=after_context)
    model = maskplus(**TECHNIQUES["context"], quasi=quasi)
    trained = trained_by(model, "mask_quasi_half")
    assert ("contextual_fusion/context_fcn1/kernel" in trained) == after_context


@pytest.mark.parametrize(
    "head, sides", [("fcn", (14, 56)), ("encoder_decoder", (14, 56))]
)
def test_quasi_masks_are_half_and_twice_the_masks_of_any_head(head, sides):
    pool_size = 28 if head == "encoder_decoder" else 14
    model = maskplus(head=head, pool_size=pool_size, quasi=QuasiConfig(sizes=(0.5, 2)))
    masks = model(small_batch(), training=True)["masks"]
    assert masks["mask"].shape[1:3] == (28, 28)
    found = [masks[f"mask_quasi_{n}"].shape[1] for n in ("half", "double")]
    assert tuple(found) == sides


def test_step_without_foreground_leaves_the_statistics_of_refinement_alone():
    model, batch = maskplus(**ALL), small_batch()
    model(batch, training=True)
    norms = model.masks.refinement.norms
    before = [np.array(w) for n in norms for w in n.non_trainable_weights]
    batch["valid"] = tf.zeros_like(batch["valid"])
    terms, gradients = losses_and_gradients(model, batch)
    assert all(float(v) == 0 for k, v in terms.items() if k.startswith("mask"))
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients)
    after = [np.array(w) for n in norms for w in n.non_trainable_weights]
    for old, new in zip(before, after):
        np.testing.assert_array_equal(old, new)


def test_replica_without_rois_neither_fails_nor_spoils_the_statistics():
    script = Path(__file__).with_name("empty_replica.py")
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    first, second = (np.float32(line.split()) for line in done.stdout.splitlines())
    np.testing.assert_allclose(first, [2.0, 2.9, 3.8], rtol=1e-5)  # a tenth to 11
    np.testing.assert_array_equal(second, [1, 2, 3])


def test_biased_training_weighs_mask_and_quasi_losses_in_the_first_half():
    # MaskPlus sec. 3.5, alpha = 1.5; a branch beside the mask is a mask loss too.
    terms = ("mask", "mask_quasi_half")
    train = TrainConfig(steps=4, loss_weights=dict.fromkeys(terms, BIASED))
    model = maskplus(**TECHNIQUES["half"])
    seen = []
    for step in range(train.steps):
        for callback in loss_weight_callbacks(train):
            callback.set_model(model)
            callback.on_train_begin()
            callback.on_train_batch_begin(step, {"step": step})
        seen.append({k: float(v) for k, v in model.loss_weights.get().items()})
    assert set(terms) < set(seen[0])
    for step, weights in enumerate(seen):
        alpha = 1.5 if step < 2 else 1.0
        assert weights == {k: alpha if k in terms else 1.0 for k in weights}


def test_weight_of_a_branch_that_is_off_is_one_clear_sentence():
    train = TrainConfig(loss_weights={"mask_quasi_half": BIASED})
    (callback,) = loss_weight_callbacks(train)
    callback.set_model(maskplus(**TECHNIQUES["double"]))
    with pytest.raises(ConfigError) as caught:
        callback.on_train_begin()
    assert str(caught.value) == (
        "train.loss_weights.mask_quasi_half: no such loss term; this model has "
        "rpn_objectness, rpn_box, box_class, box_regression, mask, mask_quasi_double"
    )


def test_slopes_do_not_decay_to_relu():
    model = maskplus(**TECHNIQUES["refinement"])
    train = TrainConfig(weight_decay=0.1, decay_norm=False)
    optimizer = build_optimizer(model, train)
    gradients = [tf.zeros(v.shape) for v in optimizer.variables]
    decays = optimizer.decay(gradients, 1.0)
    decayed = {p for p, g in zip(optimizer.paths, decays) if np.any(g)}
    own = {p for p in optimizer.paths if p.startswith("boundary_refinement")}
    assert {p.split("/")[-1] for p in own - decayed} >= {"alpha", "gamma", "beta"}
    assert {p.split("/")[-1] for p in own & decayed} == {"kernel"}


# --- inference ----------------------------------------------------------------------


def test_each_image_gets_its_own_context():
    model, batch = maskplus(**ALL), small_batch()
    both = model(batch, training=False)
    for i in range(2):
        one = model({k: v[i : i + 1] for k, v in batch.items()}, training=False)
        np.testing.assert_array_equal(both["labels"][i], one["labels"][0])
        np.testing.assert_allclose(both["masks"][i], one["masks"][0], atol=1e-3)


def test_context_is_of_the_image_without_its_padding():
    model = maskplus(context=ContextConfig(filters=(32,), level="p2"))
    branch = model.masks
    side = np.arange(64, dtype=np.float32)
    level = np.broadcast_to(side[None, None, :, None], (1, 64, 64, 32))
    sizes = tf.constant([[256, 128]])
    pooled = branch._whole_images({"p2": tf.constant(level)}, sizes)
    # 128 of 256 pixels in width: columns 0..31 in 14 bins, seen at their centres. In
    # the first bin, samples left of the first centre are moved to it.
    expected = (np.arange(14) + 0.5) * 32 / 14 - 0.5
    np.testing.assert_allclose(pooled[0, 3, 1:, 0], expected[1:], atol=0.01)


def test_low_precision_keeps_the_refinement_in_float32():
    model = maskplus("bfloat16", **ALL)
    refinement = model.masks.refinement
    layers = [*refinement.norms, *refinement.slopes, *refinement.convs]
    assert {layer.compute_dtype for layer in layers} == {"float32"}
    terms, gradients = losses_and_gradients(model, small_batch())
    assert all(v.dtype == tf.float32 and np.isfinite(v) for v in terms.values())
    assert all(g is not None for g in gradients)
