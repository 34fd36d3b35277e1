"""What `compile`, `fit`, `evaluate` and `predict` do, on a tiny model."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import small_batch, small_model
from training.fake_model import FakeModel, batches
from training.fake_run import weights_of

from tfmask.models import fitting

KERAS_2 = keras.__version__.startswith("2.")


def compiled(optimizer=None, policy="float32", **options) -> FakeModel:
    keras.utils.set_random_seed(1)
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    model = FakeModel()
    keras.mixed_precision.set_global_policy(before)
    model.compile(optimizer or keras.optimizers.SGD(0.05), **options)
    return model


def trained_weights(model) -> dict:
    """Without the counters and the loss weights."""
    return {
        path: value
        for path, value in weights_of(model).items()
        if not path.startswith(("seen", "loss_weights"))
    }


def one_update(**options) -> dict:
    """Path -> change of every trained weight by one step from 2, gradients left out."""
    model = compiled(**options)
    for variable in model.trainable_variables:
        variable.assign(np.full(variable.shape, 2.0, np.float32))
    for term in model.loss_weights.names:
        model.loss_weights.set(term, 0.0)
    model.fit(batches(0, 4).take(1), verbose=0)
    return {
        path: float(value.flat[0] - 2.0)
        for path, value in trained_weights(model).items()
    }


def test_logs_are_the_mean_losses_and_their_weighted_total():
    model = compiled(keras.optimizers.SGD(0.0))
    model.loss_weights.set("mask", 3.0)
    data = batches(0, 4).take(3)
    history = model.fit(data, epochs=2, verbose=0).history
    assert set(history) == {"loss", "box_class", "mask"}
    losses = [model.compute_losses(model(b, training=True), b) for b in data]
    means = {k: np.mean([float(loss[k]) for loss in losses]) for k in losses[0]}
    for epoch in range(2):
        assert history["mask"][epoch] == pytest.approx(means["mask"], rel=1e-5)
        total = means["box_class"] + 3 * means["mask"]
        assert history["loss"][epoch] == pytest.approx(total, rel=1e-5)


def test_evaluate_gives_the_losses_and_changes_nothing():
    model = compiled()
    data = batches(8, 4).take(2)
    before = weights_of(model)
    first = model.evaluate(data, verbose=0, return_dict=True)
    assert model.evaluate(data, verbose=0, return_dict=True) == first
    for path, value in weights_of(model).items():
        np.testing.assert_array_equal(value, before[path], err_msg=path)
    history = model.fit(
        batches(0, 4).take(3), validation_data=data, epochs=2, verbose=0
    ).history
    again = model.evaluate(data, verbose=0, return_dict=True)
    assert history["val_mask"][-1] == pytest.approx(again["mask"], rel=1e-6)
    assert history["val_loss"][-1] == pytest.approx(again["loss"], rel=1e-6)
    assert again["mask"] < first["mask"]


@pytest.mark.slow
def test_evaluate_uses_the_statistics_of_inference():
    model = small_model()  # its batch norm is trained
    model.compile()
    batch = small_batch()
    before = weights_of(model)
    result = model.evaluate(
        tf.data.Dataset.from_tensors(batch), verbose=0, return_dict=True
    )
    for path, value in weights_of(model).items():
        np.testing.assert_array_equal(value, before[path], err_msg=path)
    outputs = model(batch, training=False, supervised=True)
    losses = model.compute_losses(outputs, batch)
    assert set(result) == {"loss", *losses}
    for name, value in losses.items():
        assert result[name] == pytest.approx(float(value), rel=1e-4), name
    # Statistics of the batch give other losses than those of inference.
    trained = model.compute_losses(model(batch, training=True), batch)
    assert abs(result["box_class"] - float(trained["box_class"])) > 1e-3


def test_predict_gives_what_call_gives_batch_after_batch():
    model = compiled()
    data = batches(0, 4).take(3)
    found = model.predict(data, verbose=0)
    for name in ("logits", "map"):
        single = np.concatenate([model(batch)[name] for batch in data])
        assert found[name].shape[0] == 12
        np.testing.assert_allclose(found[name], single, rtol=1e-5, atol=1e-6)


def test_batches_may_come_in_tuples_of_one():
    plain, wrapped = compiled(), compiled()
    plain.fit(batches(0, 4).take(2), verbose=0)
    wrapped.fit(batches(0, 4).take(2).map(lambda batch: (batch,)), verbose=0)
    for path, value in weights_of(plain).items():
        np.testing.assert_array_equal(weights_of(wrapped)[path], value, err_msg=path)


def test_targets_beside_the_batch_are_refused():
    data = batches(0, 4).take(1).map(lambda batch: (batch, batch["labels"]))
    with pytest.raises(ValueError, match="expected a dict, .* with the targets in it"):
        compiled().fit(data, verbose=0)


def test_several_steps_in_one_execution_are_the_same_steps():
    single, joined = compiled(), compiled(steps_per_execution=2)
    for model in (single, joined):
        model.fit(batches(0, 4).take(4), verbose=0)
    for path, value in trained_weights(single).items():
        found = trained_weights(joined)[path]
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-7, err_msg=path)


def test_an_optimizer_may_be_a_name():
    model = compiled("sgd")
    assert type(model.optimizer).__name__ == "SGD"
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


@pytest.mark.parametrize(
    "argument", ["loss", "metrics", "loss_weights", "weighted_metrics"]
)
def test_losses_and_metrics_of_keras_are_refused(argument):
    with pytest.raises(ValueError, match=f"{argument}=.*: expected None; the model"):
        compiled(**{argument: ["mse"]})


def test_xla_is_refused_and_never_chosen():
    with pytest.raises(ValueError, match="jit_compile=True: expected False"):
        compiled(jit_compile=True)
    for value in (False, None, "auto"):
        assert not compiled(jit_compile=value).jit_compile


def test_optimizer_that_scales_the_loss_is_refused():
    inner = keras.optimizers.SGD(0.1)
    with pytest.raises(ValueError, match="the model scales losses of float16 itself"):
        compiled(keras.mixed_precision.LossScaleOptimizer(inner))


@pytest.mark.parametrize("bound", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_clipping_by_the_optimizer_is_for_one_replica(bound):
    optimizer = keras.optimizers.SGD(0.1, **{bound: 1.0})
    fitting._usable(optimizer, 1)
    with pytest.raises(ValueError, match=f"{bound}=1.0 .*clip_norm"):
        fitting._usable(optimizer, 2)


def test_weight_decay_is_added_to_the_gradient_by_the_rules():
    change = one_update(weight_decay=0.1, decay_bias=False)
    assert change["conv/kernel"] == pytest.approx(-0.05 * 0.1 * 2)
    assert change["conv/bias"] == 0
    assert change["norm/gamma"] == 0
    change = one_update(weight_decay=0.1, decay_norm=True, bias_lr_factor=2.0)
    assert change["conv/bias"] == pytest.approx(-0.05 * 0.1 * 2 * 2)
    assert change["norm/gamma"] == pytest.approx(-0.05 * 0.1 * 2)


def test_decoupled_decay_is_the_optimizers_and_follows_the_same_rules():
    change = one_update(optimizer=keras.optimizers.AdamW(0.5, weight_decay=0.1))
    assert change["conv/kernel"] == pytest.approx(-0.1, rel=1e-5)
    assert change["conv/bias"] == pytest.approx(-0.1, rel=1e-5)
    assert change["norm/gamma"] == 0
    with pytest.raises(ValueError, match="AdamW decays weights itself, by 0.1"):
        compiled(keras.optimizers.AdamW(0.5, weight_decay=0.1), weight_decay=0.01)


def test_a_new_compile_goes_on_with_its_own_rules():
    model = compiled()
    model.fit(batches(0, 4).take(1), verbose=0)
    before = trained_weights(model)
    model.compile(keras.optimizers.SGD(1.0), clip_norm=0.01)
    model.fit(batches(4, 4).take(1), verbose=0)
    square = sum(
        np.square(value - before[path]).sum()
        for path, value in trained_weights(model).items()
    )
    assert np.sqrt(square) == pytest.approx(0.01, rel=1e-3)


def test_loss_that_is_not_finite_leaves_weights_and_optimizer_alone():
    model = compiled(keras.optimizers.SGD(0.05, momentum=0.9))
    model.nan_at = 5  # in the second batch
    model.fit(batches(0, 4).take(1), verbose=0)
    before = trained_weights(model)
    stop = keras.callbacks.TerminateOnNaN()
    history = model.fit(batches(4, 4).take(3), callbacks=[stop], epochs=2, verbose=0)
    assert len(history.history["loss"]) == 1
    assert np.isnan(history.history["mask"][0])
    assert int(model.optimizer.iterations) == 1
    for path, value in trained_weights(model).items():
        np.testing.assert_array_equal(value, before[path], err_msg=path)


def test_float16_scales_the_loss_and_leaves_overflows_out():
    model = compiled(policy="mixed_float16")
    scale = model._learner.loss_scale
    assert float(scale.scale) == 2.0**15
    scale.scale.assign(np.inf)
    before = trained_weights(model)
    model.fit(batches(0, 4).take(1), verbose=0)
    for path, value in trained_weights(model).items():
        np.testing.assert_array_equal(value, before[path], err_msg=path)
    scale.scale.assign(2.0**15)
    history = model.fit(batches(0, 4).take(8), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert int(scale.good_steps) == 8
    assert int(model.optimizer.iterations) == 8


def test_without_float16_the_loss_is_not_scaled():
    assert not compiled(policy="mixed_bfloat16")._learner.loss_scale.active


def test_means_are_no_weights_of_the_model():
    keras.utils.set_random_seed(1)
    assert set(weights_of(compiled())) == set(weights_of(FakeModel()))
    assert len(compiled().weights) == len(FakeModel().weights)
