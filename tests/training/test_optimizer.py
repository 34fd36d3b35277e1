import keras
import numpy as np
import pytest
from training.fake_model import FakeModel

from tfmask.config import TrainConfig
from tfmask.errors import ConfigError
from tfmask.training.optimizer import build_optimizer

KERAS_2 = keras.__version__.startswith("2.")


def settings(**changes) -> TrainConfig:
    values = {
        "batch_size": 1,
        "base_batch": 1,
        "learning_rate": 0.5,
        "warmup_steps": 0,
        "decay_at": (),
        "momentum": 0.0,
        "weight_decay": 0.0,
        **changes,
    }
    return TrainConfig(**values)


def one_update(train: TrainConfig, gradient: float = 1.0) -> dict:
    """Path -> change of every trained weight, all of which start at 2."""
    model = FakeModel()
    optimizer = build_optimizer(model, train)
    for variable in optimizer.variables:
        variable.assign(np.full(variable.shape, 2.0, np.float32))
    optimizer.set_step(0)
    gradients = [np.full(v.shape, gradient, np.float32) for v in optimizer.variables]
    optimizer.apply(optimizer.decay(gradients, 1.0))
    return {
        path: float(variable.numpy().flat[0] - 2.0)
        for path, variable in zip(optimizer.paths, optimizer.variables)
    }


def test_decay_is_added_to_the_gradient_of_kernels_and_biases():
    change = one_update(settings(weight_decay=0.1))
    assert change["conv/kernel"] == pytest.approx(-0.5 * (1 + 0.1 * 2))
    assert change["conv/bias"] == pytest.approx(-0.5 * (1 + 0.1 * 2))
    assert change["norm/gamma"] == pytest.approx(-0.5)
    assert change["norm/beta"] == pytest.approx(-0.5)


def test_switches_say_what_decays():
    change = one_update(settings(weight_decay=0.1, decay_bias=False, decay_norm=True))
    assert change["conv/bias"] == pytest.approx(-0.5)
    assert change["norm/gamma"] == pytest.approx(-0.6)
    assert change["norm/beta"] == pytest.approx(-0.6)


def test_biases_learn_at_their_own_rate():
    change = one_update(settings(bias_lr_factor=2.0))
    assert change["conv/bias"] == pytest.approx(-1.0)
    assert change["conv/kernel"] == pytest.approx(-0.5)


def test_decoupled_decay_is_left_to_the_optimizer():
    # A zero gradient leaves AdamW with nothing but its decay, 0.5 * 0.1 * 2.
    change = one_update(
        settings(optimizer="AdamW", weight_decay=0.1, decay_bias=False), gradient=0.0
    )
    assert change["conv/kernel"] == pytest.approx(-0.1, rel=1e-5)
    assert change["conv/bias"] == 0
    assert change["norm/gamma"] == 0


def test_adam_has_l2_in_its_gradient():
    change = one_update(settings(optimizer="adam", weight_decay=0.1), gradient=0.0)
    assert change["conv/kernel"] == pytest.approx(-0.5, rel=1e-3)
    assert change["norm/gamma"] == 0


def test_rate_of_a_step_reaches_the_optimizer():
    model = FakeModel()
    optimizer = build_optimizer(model, settings(decay_at=(0.5,), steps=10))
    assert optimizer.set_step(0) == 0.5
    assert float(optimizer.inner.learning_rate) == 0.5
    optimizer.set_step(5)
    assert float(optimizer.inner.learning_rate) == pytest.approx(0.05)


def test_frozen_weights_are_not_touched():
    model = FakeModel()
    model.conv.trainable = False
    optimizer = build_optimizer(model, settings())
    assert not [path for path in optimizer.paths if path.startswith("conv")]


def test_unknown_optimizer_is_refused_with_a_near_name():
    with pytest.raises(ConfigError, match="AdamW"):
        build_optimizer(FakeModel(), settings(optimizer="AdamV"))


@pytest.mark.skipif(KERAS_2, reason="on Keras 2 the addons optimizers work")
def test_addons_on_keras_3_give_one_clear_sentence():
    with pytest.raises(ConfigError, match=r"tfa.SGDW.*Keras 2.15.*tfmask\[addons\]"):
        build_optimizer(FakeModel(), settings(optimizer="tfa.SGDW"))


@pytest.mark.skipif(not KERAS_2, reason="tensorflow-addons needs Keras 2")
class TestAddons:
    @pytest.mark.parametrize(
        "name", ["SGDW", "AdamW", "LAMB", "Lookahead", "MovingAverage", "NovoGrad"]
    )
    def test_optimizer_follows_the_gradient(self, name):
        change = one_update(settings(optimizer=f"tfa.{name}", learning_rate=0.01))
        assert change["conv/kernel"] < 0

    def test_decay_follows_the_learning_rate(self):
        train = settings(
            optimizer="tfa.SGDW", weight_decay=0.1, decay_at=(0.5,), steps=10
        )
        optimizer = build_optimizer(FakeModel(), train)
        optimizer.set_step(0)
        assert float(optimizer.inner.weight_decay) == pytest.approx(0.1)
        optimizer.set_step(5)
        assert float(optimizer.inner.weight_decay) == pytest.approx(0.01)

    def test_switches_say_what_sgdw_decays(self):
        train = settings(optimizer="tfa.SGDW", weight_decay=0.1, decay_bias=False)
        change = one_update(train, gradient=0.0)
        assert change["conv/kernel"] == pytest.approx(-0.2, rel=1e-5)
        assert change["conv/bias"] == 0
        assert change["norm/gamma"] == 0

    def test_averaged_weights_stand_only_inside_the_scope(self):
        model = FakeModel()
        train = settings(optimizer="tfa.MovingAverage")
        optimizer = build_optimizer(model, train)
        ones = [np.ones(v.shape, np.float32) for v in optimizer.variables]
        for _ in range(3):
            optimizer.apply(ones)
        trained = optimizer.variables[0].numpy()
        with optimizer.averaged_weights():
            averaged = optimizer.variables[0].numpy()
        assert np.abs(averaged - trained).max() > 0.1
        np.testing.assert_array_equal(optimizer.variables[0].numpy(), trained)

    def test_unknown_name_is_refused_with_the_known_ones(self):
        with pytest.raises(ConfigError, match="tfa.SDGW.*SGDW"):
            build_optimizer(FakeModel(), settings(optimizer="tfa.SDGW"))
