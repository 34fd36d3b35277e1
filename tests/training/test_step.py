import keras
import numpy as np
import pytest
import tensorflow as tf
from training import fake_model
from training.fake_run import weights_of

from tfmask.config import TrainConfig
from tfmask.models.learning import LossScale
from tfmask.ops import _library
from tfmask.training.optimizer import build_optimizer
from tfmask.training.step import TrainStep


@pytest.fixture(params=["compiled", "stock"], autouse=True)
def ops(request):
    """Each test with the update as one compiled op, and without it."""
    if request.param == "compiled":
        if not _library.path(_library.MOMENTUM_UPDATE).exists():
            pytest.skip("the compiled ops are not built")
        yield
        return
    with _library.stock_ops():
        yield


class Setting:
    """A model and its step on one replica."""

    def __init__(self, clip_norm=0.0, policy="float32", compiled=False, **changes):
        keras.utils.set_random_seed(1)
        before = keras.mixed_precision.global_policy()
        keras.mixed_precision.set_global_policy(policy)
        self.model = fake_model.FakeModel()
        keras.mixed_precision.set_global_policy(before)
        values = {
            "batch_size": 4,
            "base_batch": 4,
            "learning_rate": 0.05,
            "warmup_steps": 0,
            "weight_decay": 0.0,
            **changes,
        }
        self.optimizer = build_optimizer(self.model, TrainConfig(**values))
        data = fake_model.batches(0, 4)
        self.batches = iter(data)
        self.loss_scale = LossScale(active=policy == "mixed_float16")
        self.step = TrainStep(
            tf.distribute.get_strategy(),
            self.model,
            self.optimizer,
            data.element_spec,
            clip_norm,
            self.loss_scale,
            compiled,
        )


def test_total_is_the_weighted_sum_of_the_losses():
    setting = Setting()
    setting.model.loss_weights.set("mask", 3.0)
    losses = setting.step(next(setting.batches)).losses
    total = losses["box_class"] + 3 * losses["mask"]
    assert losses["loss"] == pytest.approx(total, rel=1e-6)


def test_update_is_that_of_plain_gradient_descent():
    setting = Setting(momentum=0.0)
    batch = next(setting.batches)
    with tf.GradientTape() as tape:
        losses = setting.model.compute_losses(setting.model(batch), batch)
        total = losses["box_class"] + losses["mask"]
    gradients = tape.gradient(total, setting.optimizer.variables)
    before = [v.numpy() for v in setting.optimizer.variables]
    setting.step(batch)
    for variable, old, gradient in zip(setting.optimizer.variables, before, gradients):
        expected = old - 0.05 * gradient.numpy()
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-5, atol=1e-7)


def test_clipping_bounds_the_global_norm_before_decay_is_added():
    setting = Setting(clip_norm=0.01, momentum=0.0, learning_rate=1.0, weight_decay=0.5)
    before = dict(
        zip(setting.optimizer.paths, [v.numpy() for v in setting.optimizer.variables])
    )
    setting.step(next(setting.batches))
    square = 0.0
    for path, variable in zip(setting.optimizer.paths, setting.optimizer.variables):
        decay = 0.0 if path.startswith("norm") else 0.5 * before[path]
        square += np.square(before[path] - decay - variable.numpy()).sum()
    assert np.sqrt(square) == pytest.approx(0.01, rel=1e-3)


def test_gradient_below_the_bound_is_not_changed():
    free, bounded = Setting(), Setting(clip_norm=1e4)
    for setting in (free, bounded):
        setting.step(next(setting.batches))
    for a, b in zip(free.optimizer.variables, bounded.optimizer.variables):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_one_trace_serves_all_padded_shapes():
    setting = Setting()
    spec = {
        key: tf.TensorSpec([4, None, None, 3], s.dtype) if key == "images" else s
        for key, s in setting.step.compiled.input_signature[0].items()
    }
    step = TrainStep(
        tf.distribute.get_strategy(), setting.model, setting.optimizer, spec, 0.0
    )
    batch = next(setting.batches)
    for side in (16, 32, 48):
        step({**batch, "images": tf.zeros([4, side, 16, 3], tf.uint8)})
    assert step.compiled.experimental_get_tracing_count() <= 2


@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
def test_loss_that_is_not_finite_leaves_weights_and_optimizer_alone(clip_norm):
    setting = Setting(clip_norm)
    setting.model.nan_at = 6  # in the second batch
    assert setting.step(next(setting.batches)).finite
    before = weights_of(setting.model)
    slots = [v.numpy() for v in setting.optimizer.state()]
    result = setting.step(next(setting.batches))
    assert not result.finite
    assert np.isnan(result.losses["mask"])
    assert np.isfinite(result.losses["box_class"])
    after = weights_of(setting.model)
    before.pop("seen/counts"), after.pop("seen/counts")
    for path, value in before.items():
        np.testing.assert_array_equal(value, after[path], err_msg=path)
    for old, variable in zip(slots, setting.optimizer.state()):
        np.testing.assert_array_equal(old, variable.numpy())


class SpikedModel(fake_model.FakeModel):
    """A finite loss whose gradient is not: the square root of zero."""

    def compute_losses(self, outputs, batch):
        losses = super().compute_losses(outputs, batch)
        bias = tf.convert_to_tensor(self.head.bias)
        spike = tf.sqrt(tf.reduce_sum(tf.square(bias)))  # the bias is zero
        return {**losses, "mask": losses["mask"] + spike}


def test_gradient_that_is_not_finite_is_named(monkeypatch):
    monkeypatch.setattr(fake_model, "FakeModel", SpikedModel)
    setting = Setting()
    before = setting.optimizer.variables[0].numpy()
    result = setting.step(next(setting.batches))
    assert not result.finite
    assert np.isfinite(result.losses["loss"])
    assert result.bad_weights == ["class_logits/bias"]
    np.testing.assert_array_equal(before, setting.optimizer.variables[0].numpy())


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_float32_weights(policy):
    setting = Setting(policy=policy)
    batch = next(setting.batches)
    losses = [setting.step(batch).losses["loss"] for _ in range(5)]
    assert losses[-1] < losses[0]
    assert {v.dtype for v in setting.optimizer.variables} == {tf.float32}


def test_loss_scale_cancels_out():
    plain, scaled = Setting(), Setting()
    scaled.loss_scale.active = True
    scaled.loss_scale.scale.assign(1024.0)
    plain.step(next(plain.batches))
    assert scaled.step(next(scaled.batches)).loss_scale == 1024.0
    for a, b in zip(plain.optimizer.variables, scaled.optimizer.variables):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6, atol=1e-7)


def test_loss_scale_halves_at_an_overflow_and_doubles_after_good_steps(monkeypatch):
    monkeypatch.setattr(LossScale, "GROWTH_STEPS", 3)
    scale = LossScale(active=True)
    start = float(scale.scale)
    steps = [False, True, True, True, True, False, True, True, True]
    seen = []
    for finite in steps:
        scale.update(finite)
        seen.append(float(scale.scale) / start)
    assert seen == [0.5, 0.5, 0.5, 1, 1, 0.5, 0.5, 0.5, 1]
    scale.scale.assign(1.0)
    scale.update(False)
    assert float(scale.scale) == 1.0


def test_scale_of_float16_explains_an_overflow_until_it_is_one():
    setting = Setting(policy="mixed_float16")
    setting.model.nan_at = 4  # in the second batch
    setting.loss_scale.scale.assign(np.inf)
    result = setting.step(next(setting.batches))
    assert not result.finite and result.explained
    setting.loss_scale.scale.assign(1.0)
    result = setting.step(next(setting.batches))
    assert not result.finite and not result.explained


def test_without_float16_the_scale_is_one_for_ever():
    scale = LossScale(active=False)
    scale.update(False)
    assert float(scale.scale) == 1.0


def test_step_that_was_started_is_waited_for_later():
    setting, plain = Setting(), Setting()
    first = setting.step.start(next(setting.batches))
    second = setting.step.start(next(setting.batches))
    assert second.wait().losses != first.wait().losses
    assert first.wait().losses == plain.step(next(plain.batches)).losses


def test_stop_request_comes_back():
    setting = Setting()
    assert not setting.step(next(setting.batches)).stop
    assert setting.step(next(setting.batches), stop=True).stop


@pytest.mark.parametrize("optimizer", ["sgd", "Adam"])
def test_an_update_that_xla_compiles_is_the_same(optimizer):
    options = dict(clip_norm=0.5, weight_decay=1e-2, optimizer=optimizer)
    plain, compiled = Setting(**options), Setting(compiled=True, **options)
    for _ in range(3):
        losses = plain.step(next(plain.batches)).losses
        theirs = compiled.step(next(compiled.batches)).losses
        assert theirs == pytest.approx(losses, rel=1e-5)
    for a, b in zip(plain.optimizer.state(), compiled.optimizer.state()):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


def test_an_update_that_xla_compiles_leaves_a_bad_step_out():
    setting = Setting(compiled=True)
    setting.model.nan_at = 1
    before = [v.numpy() for v in setting.optimizer.state()]
    result = setting.step(next(setting.batches))
    assert not result.finite
    for variable, value in zip(setting.optimizer.state(), before):
        np.testing.assert_array_equal(variable.numpy(), value)
