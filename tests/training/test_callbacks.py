import keras
import numpy as np
import pytest
from training.fake_model import FakeModel
from training.fake_run import fake_config, make_loop

from tfmask.config import LossWeightConfig, LossWeightPoint
from tfmask.errors import ConfigError
from tfmask.training.callbacks import LossWeightSchedule

BIASED = LossWeightConfig(
    kind="step",
    points=(LossWeightPoint(at=0, weight=1.5), LossWeightPoint(at=0.5, weight=1.0)),
)


class WeightLog(keras.callbacks.Callback):
    """The weight of the mask loss and the total of every step."""

    def __init__(self):
        super().__init__()
        self.weights = []
        self.totals = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(float(self.model.loss_weights.get()["mask"]))
        self.totals.append(
            (logs["loss"], logs["box_class"] + self.weights[-1] * logs["mask"])
        )


def test_biased_training_weighs_the_mask_loss_more_in_the_first_half(tmp_path):
    seen = WeightLog()
    config = fake_config(tmp_path, steps=6, loss_weights={"mask": BIASED})
    loop = make_loop(config, callbacks=[seen])
    loop.run()
    assert seen.weights == [1.5] * 3 + [1.0] * 3
    np.testing.assert_allclose(*zip(*seen.totals), rtol=1e-6)


def test_scheduled_weight_is_in_the_logs(tmp_path):
    config = fake_config(tmp_path, steps=6, log_every=1, loss_weights={"mask": BIASED})
    lines = []
    loop = make_loop(config, log=lines.append)
    loop.run()
    shown = [record["weight/mask"] for record in loop.folder.records()]
    assert shown == [1.5] * 3 + [1.0] * 3
    assert "weight/mask 1.5" in lines[0]


def test_weight_is_right_after_a_resume(tmp_path):
    settings = {"loss_weights": {"mask": BIASED}, "checkpoint_every": 2}

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = self.model.stop_training or batch == 1

    make_loop(fake_config(tmp_path, steps=8, **settings), callbacks=[Stop()]).run()
    seen = WeightLog()
    config = fake_config(tmp_path, steps=8, **settings)
    loop = make_loop(config, resume=True, callbacks=[seen])
    assert loop.step == 2
    loop.run()
    assert seen.weights == [1.5] * 2 + [1.0] * 4


def test_unknown_term_is_refused_with_the_known_ones(tmp_path):
    config = fake_config(tmp_path, loss_weights={"maks": BIASED})
    with pytest.raises(ConfigError, match="maks.*box_class, mask"):
        make_loop(config).run()


def test_a_weight_of_one_throughout_is_not_shown():
    schedule = LossWeightSchedule("mask", "constant", [(0, 1.0)], 10)
    assert schedule.shown_weight(3) is None


def test_in_fit_the_step_is_the_count_of_updates():
    schedule = LossWeightSchedule("mask", "linear", [(0, 0.0), (1.0, 1.0)])
    model = FakeModel()
    model.optimizer = keras.optimizers.SGD()
    model.optimizer.iterations.assign(5)
    schedule.set_model(model)
    schedule.set_params({"steps": 5, "epochs": 2})
    schedule.on_train_batch_begin(0)
    assert float(model.loss_weights.get()["mask"]) == 0.5
