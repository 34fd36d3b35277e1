"""Who sets the learning rate: the schedule, until a callback does."""

import json

import keras
import numpy as np
import pytest
from training.fake_model import FakeModel
from training.fake_run import fake_config, make_loop, weights_of

from tfmask.config import TrainConfig
from tfmask.training.optimizer import build_optimizer

KERAS_2 = keras.__version__.startswith("2.")


def rates_of(folder) -> list[float]:
    """The rate in force in every step, as the log has it."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["lr"] for line in lines]


class Setter(keras.callbacks.Callback):
    """Sets the rate before some steps, or after some batches."""

    def __init__(self, before=(), after=()):
        super().__init__()
        self.before, self.after = dict(before), dict(after)

    def on_train_batch_begin(self, batch, logs=None):
        self.step = logs["step"]
        if self.step in self.before:
            self.model.optimizer.learning_rate = self.before[self.step]

    def on_train_batch_end(self, batch, logs=None):
        if self.step in self.after:
            self.model.optimizer.learning_rate = self.after[self.step]


class StopAfter(keras.callbacks.Callback):
    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_begin(self, batch, logs=None):
        self.model.stop_training = logs["step"] + 1 == self.steps


def test_without_callbacks_the_schedule_has_the_rate(tmp_path):
    make_loop(fake_config(tmp_path, log_every=1)).run()
    rates = rates_of(tmp_path)
    assert rates[4:8] == [0.05] * 4
    assert rates[8:] == pytest.approx([0.005] * 3 + [0.0005])


def test_learning_rate_scheduler_has_the_rate_from_the_first_step(tmp_path):
    # 0.05 is what the schedule begins its warm-up towards: the callback sets no other
    # value than what is there, and yet there is no warm-up.
    by_epoch = (0.05, 0.3, 0.05, 0.3, 0.05)
    callback = keras.callbacks.LearningRateScheduler(lambda epoch: by_epoch[epoch])
    lines = []
    config = fake_config(tmp_path, log_every=1)
    make_loop(config, callbacks=[callback], log=lines.append).run()
    # Ten images in batches of four: epochs begin with steps 0, 3, 5, 8 and 10.
    expected = [0.05] * 3 + [0.3] * 2 + [0.05] * 3 + [0.3] * 2 + [0.05] * 2
    assert rates_of(tmp_path) == expected
    told = [line for line in lines if "set by a callback" in line]
    assert told == [
        "step 1: the learning rate is 0.05, set by a callback; train.learning_rate, "
        "warmup_* and decay_* no longer set it"
    ]


def test_reduced_on_plateau_stays_reduced(tmp_path):
    callback = keras.callbacks.ReduceLROnPlateau(
        monitor="loss", factor=0.5, patience=1, min_delta=100.0
    )
    make_loop(fake_config(tmp_path, log_every=1), callbacks=[callback]).run()
    rates = rates_of(tmp_path)
    # No epoch is better than the first by 100: the second, which ends with step 5, and
    # each after it halve the rate.
    assert rates[4] == 0.05
    assert rates[5:] == pytest.approx([0.025] * 3 + [0.0125] * 2 + [0.00625] * 2)


def test_rate_set_before_a_step_is_that_of_the_step(tmp_path):
    callback = Setter(before={6: 0.3})
    loop = make_loop(fake_config(tmp_path, log_every=1), callbacks=[callback])
    loop.run()
    assert rates_of(tmp_path)[6:] == [0.3] * 6
    assert float(loop.optimizer.inner.learning_rate) == pytest.approx(0.3)


def test_rate_set_after_a_batch_is_that_of_the_next_step(tmp_path):
    callback = Setter(after={4: 0.01, 9: 0.02})
    make_loop(fake_config(tmp_path, log_every=1), callbacks=[callback]).run()
    assert rates_of(tmp_path)[4:] == [0.05] + [0.01] * 5 + [0.02] * 2


def test_callback_that_sets_no_rate_leaves_it_to_the_schedule(tmp_path):
    make_loop(fake_config(tmp_path / "a", log_every=1)).run()
    make_loop(fake_config(tmp_path / "b", log_every=1), callbacks=[Setter()]).run()
    assert rates_of(tmp_path / "a") == rates_of(tmp_path / "b")


def test_resumed_run_has_the_rates_of_the_uninterrupted_one(tmp_path):
    def falling():
        # From the rate that is there: once too often would show.
        return keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)

    settings = {"log_every": 1, "checkpoint_every": 2}
    whole = make_loop(fake_config(tmp_path / "a", **settings), callbacks=[falling()])
    whole.run()
    config = fake_config(tmp_path / "b", **settings)
    for steps in (4, 7):  # in the middle of epochs
        callbacks = [falling(), StopAfter(steps)]
        make_loop(config, resume=True, callbacks=callbacks).run()
    rest = make_loop(config, resume=True, callbacks=[falling()])
    assert rest.step == 7
    rest.run()
    assert rates_of(tmp_path / "b") == rates_of(tmp_path / "a")
    expected, resumed = weights_of(whole.model), weights_of(rest.model)
    for path, value in expected.items():
        np.testing.assert_array_equal(resumed[path], value, err_msg=path)


def test_rate_of_a_callback_stays_when_the_run_goes_on_without_it(tmp_path):
    config = fake_config(tmp_path, log_every=1)
    make_loop(config, callbacks=[Setter(before={2: 0.3}), StopAfter(6)]).run()
    lines = []
    make_loop(config, resume=True, log=lines.append).run()
    assert rates_of(tmp_path)[2:] == [0.3] * 10
    (line,) = (line for line in lines if "set by a callback" in line)
    assert line.startswith("step 7: the learning rate is 0.3, ")


def test_resumed_run_follows_the_schedule_where_no_callback_set_a_rate(tmp_path):
    config = fake_config(tmp_path, log_every=1)
    make_loop(config, callbacks=[StopAfter(3)]).run()
    make_loop(config, resume=True, callbacks=[Setter()]).run()
    make_loop(fake_config(tmp_path / "whole", log_every=1)).run()
    assert rates_of(tmp_path) == rates_of(tmp_path / "whole")


@pytest.mark.skipif(not KERAS_2, reason="tensorflow-addons needs Keras 2")
def test_decay_of_addons_follows_the_rate_of_a_callback():
    train = TrainConfig(
        optimizer="tfa.SGDW",
        learning_rate=0.5,
        batch_size=1,
        base_batch=1,
        warmup_steps=0,
        weight_decay=0.1,
    )
    optimizer = build_optimizer(FakeModel(), train)
    optimizer.set_step(0)
    optimizer.inner.learning_rate = 0.05
    assert optimizer.rate.look() == 0.05
    assert float(optimizer.inner.weight_decay) == pytest.approx(0.01)
