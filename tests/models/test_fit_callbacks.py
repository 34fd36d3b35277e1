"""Callbacks of Keras in `fit`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import small_batch, small_model
from training.fake_model import FakeModel, batches
from training.fake_run import weights_of

from tfmask.training.callbacks import LossWeightSchedule

KERAS_2 = keras.__version__.startswith("2.")


def compiled(rate=0.05, momentum=0.0) -> FakeModel:
    keras.utils.set_random_seed(1)
    model = FakeModel()
    model.compile(keras.optimizers.SGD(rate, momentum=momentum))
    return model


def fit(model, *callbacks, epochs=3, **options):
    return model.fit(
        batches(0, 4),
        steps_per_epoch=2,
        epochs=epochs,
        callbacks=list(callbacks),
        verbose=0,
        **options,
    )


def validation():
    return {"validation_data": batches(40, 4).take(2)}


class Rates(keras.callbacks.Callback):
    """The learning rate of every epoch, and the weight of the mask loss."""

    def __init__(self):
        super().__init__()
        self.rates, self.weights = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(float(self.model.loss_weights.get()["mask"]))

    def on_epoch_end(self, epoch, logs=None):
        rate = tf.convert_to_tensor(self.model.optimizer.learning_rate)
        self.rates.append(round(float(rate), 6))


def test_learning_rate_scheduler():
    seen = Rates()
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    fit(compiled(), schedule, seen)
    assert seen.rates == [0.1, 0.05, 0.033333]


def test_reduce_on_plateau():
    seen = Rates()
    plateau = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss", factor=0.1, patience=1, min_delta=100.0
    )
    fit(compiled(), plateau, seen, **validation())
    assert seen.rates in ([0.05, 0.005, 0.0005], [0.05, 0.05, 0.005])


def test_early_stopping_puts_the_best_weights_back():
    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.best = weights_of(self.model)
                self.model.head.set_weights(
                    [10 * w for w in self.model.head.get_weights()]
                )

    model, spoil = compiled(rate=1e-5), Spoil()
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=2, restore_best_weights=True
    )
    history = fit(model, spoil, stopping, epochs=8, **validation()).history
    assert len(history["val_loss"]) == 3
    for path, value in weights_of(model).items():
        np.testing.assert_array_equal(value, spoil.best[path], err_msg=path)


def test_loss_weight_schedule_knows_the_length_of_the_run():
    seen = Rates()
    fit(compiled(), LossWeightSchedule("mask", "step", [(0, 1.5), (0.5, 1.0)]), seen)
    assert seen.weights == [1.5] * 3 + [1.0] * 3


def test_checkpoints_of_weights_hold_the_best_epoch(tmp_path):
    path = str(tmp_path / "best.weights.h5")
    keep = keras.callbacks.ModelCheckpoint(
        path,
        monitor="val_mask",
        mode="min",
        save_best_only=True,
        save_weights_only=True,
    )
    model = compiled()
    history = fit(model, keep, **validation()).history
    other = FakeModel()
    other.load_weights(path)
    other.compile()
    mask = other.evaluate(batches(40, 4).take(2), verbose=0, return_dict=True)["mask"]
    assert mask == pytest.approx(min(history["val_mask"]), rel=1e-5)


def test_tensorboard_has_every_loss(tmp_path):
    pytest.importorskip("tensorboard")
    fit(compiled(), keras.callbacks.TensorBoard(tmp_path), **validation())
    for folder in ("train", "validation"):
        (events,) = (tmp_path / folder).glob("events*")
        content = events.read_bytes()
        for tag in (b"epoch_loss", b"epoch_mask", b"epoch_box_class"):
            assert tag in content


@pytest.mark.slow
def test_whole_models_of_a_checkpoint_go_on_as_if_never_saved(tmp_path):
    batch = small_batch()
    data = tf.data.Dataset.from_tensors(batch).repeat()

    def fitted(model, callbacks=(), **options):
        model.fit(
            data, steps_per_epoch=2, verbose=0, callbacks=list(callbacks), **options
        )
        return model

    whole = small_model()
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    whole.compile(optimizer, clip_norm=1.0, weight_decay=1e-3, bias_lr_factor=2.0)
    keep = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"))
    fitted(whole, [keep], epochs=2)
    loaded = keras.models.load_model(tmp_path / "1.keras")
    assert type(loaded) is type(whole)
    assert loaded.get_compile_config() == whole.get_compile_config()
    assert int(loaded.optimizer.iterations) == 2
    fitted(loaded)
    for path, value in weights_of(whole).items():
        np.testing.assert_allclose(
            weights_of(loaded)[path], value, rtol=1e-5, atol=1e-6, err_msg=path
        )


@pytest.mark.slow
def test_whole_model_with_adamw_goes_on_too(tmp_path):
    data = tf.data.Dataset.from_tensors(small_batch())
    model = small_model()
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.1))
    model.fit(data, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    for each in (model, loaded):
        each.fit(data, verbose=0)
    for path, value in weights_of(model).items():
        np.testing.assert_allclose(
            weights_of(loaded)[path], value, rtol=1e-5, atol=1e-6, err_msg=path
        )
