import json

import keras
import numpy as np
import pytest
from training.fake_run import fake_config, make_loop, rising_evaluation, weights_of

from tfmask.errors import NonFiniteLossError, RunFolderError
from tfmask.training.step import TrainStep
from tfmask.weights.load import load_weights


class Recorder(keras.callbacks.Callback):
    """The order of events."""

    def __init__(self):
        super().__init__()
        self.events = []

    def on_train_begin(self, logs=None):
        self.events.append("train begin")

    def on_train_end(self, logs=None):
        self.events.append("train end")

    def on_epoch_begin(self, epoch, logs=None):
        self.events.append(f"epoch {epoch} begin")

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(f"epoch {epoch} end")
        self.epoch_logs = logs

    def on_train_batch_begin(self, batch, logs=None):
        self.events.append(f"batch {batch} step {logs['step']:g}")

    def on_train_batch_end(self, batch, logs=None):
        assert set(logs) == {"box_class", "mask", "loss"}

    def on_test_begin(self, logs=None):
        self.events.append("test begin")

    def on_test_end(self, logs=None):
        self.events.append(f"test end {logs['mask/AP']}")


def stop_after(steps):
    """A callback that ends training after some steps."""

    class Stop(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.stop_training = logs["step"] + 1 == steps

    return Stop()


def test_callbacks_see_every_event_in_order(tmp_path):
    # Ten images and batches of four: an epoch ends after steps 3, 5, ...
    seen = Recorder()
    config = fake_config(tmp_path, steps=4)
    make_loop(config, callbacks=[seen], evaluate=rising_evaluation([0.5])).run()
    assert seen.events == [
        "train begin",
        "epoch 0 begin",
        "batch 0 step 0",
        "batch 1 step 1",
        "batch 2 step 2",
        "epoch 0 end",
        "epoch 1 begin",
        "batch 0 step 3",
        "epoch 1 end",
        "test begin",
        "test end 0.5",
        "train end",
    ]
    assert set(seen.epoch_logs) == {"box_class", "mask", "loss"}


def test_keras_callbacks_work(tmp_path):
    path = tmp_path / "epochs.csv"
    logger = keras.callbacks.CSVLogger(str(path))
    calls = []
    plain = keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: calls.append(e))
    make_loop(fake_config(tmp_path / "run"), callbacks=[logger, plain]).run()
    assert path.read_text().startswith("epoch,box_class,loss,mask")
    assert len(path.read_text().splitlines()) == 6
    assert calls == [0, 1, 2, 3, 4]


def test_each_example_is_used_once_in_order(tmp_path):
    loop = make_loop(fake_config(tmp_path, steps=5))
    loop.run()
    seen = weights_of(loop.model)["seen/counts"]
    np.testing.assert_array_equal(seen[:20], 1)
    assert seen[20:].sum() == 0


def test_resumed_run_equals_the_uninterrupted_one(tmp_path):
    whole = make_loop(fake_config(tmp_path / "a", checkpoint_every=2))
    whole.run()
    config = fake_config(tmp_path / "b", checkpoint_every=2)
    make_loop(config, callbacks=[stop_after(5)]).run()
    rest = make_loop(config, resume=True)
    assert rest.step == 5
    rest.run()
    expected, found = weights_of(whole.model), weights_of(rest.model)
    for path, value in expected.items():
        np.testing.assert_array_equal(found[path], value, err_msg=path)
    steps = [record["step"] for record in rest.folder.records()]
    assert steps == [2, 4, 6, 8, 10, 12]


def test_metrics_beyond_the_checkpoint_are_written_once(tmp_path):
    config = fake_config(tmp_path, log_every=1, checkpoint_every=3)
    loop = make_loop(config, nan_at=7)
    with pytest.raises(NonFiniteLossError):
        loop.run()
    assert loop.folder.records()[-1]["step"] == 7
    with open(loop.folder.metrics_path, "a") as file:
        file.write('{"step": 8, "cut sh')
    rest = make_loop(config, resume=True)
    assert rest.step == 6
    rest.run()
    steps = [record["step"] for record in rest.folder.records()]
    assert steps == list(range(1, 13))


def test_loss_that_is_not_finite_stops_at_its_step_and_is_named(tmp_path):
    loop = make_loop(fake_config(tmp_path), nan_at=5)
    with pytest.raises(NonFiniteLossError) as caught:
        loop.run()
    text = str(caught.value)
    assert "step 6: mask is nan" in text
    assert "images of the batch: 100, 101, 102, 103;" in text
    assert text.count("step-3") == 1
    assert loop.checkpoints.manager.latest_checkpoint.endswith("step-3")


class OverflowAt(keras.callbacks.Callback):
    """The second step has a scale that overflows float32, instead of float16."""

    def on_train_batch_begin(self, batch, logs=None):
        scale = self.loss_scale.scale
        if logs["step"] == 1:
            scale.assign(np.inf)
        elif logs["step"] == 2:
            assert float(scale) == np.inf  # half of it
            scale.assign(2.0**15)


def test_float16_overflow_is_left_out_and_the_run_goes_on(tmp_path):
    lines, overflow = [], OverflowAt()
    config = fake_config(tmp_path, precision="float16")
    loop = make_loop(config, log=lines.append, callbacks=[overflow])
    overflow.loss_scale = loop.loss_scale
    loop.run()
    (line,) = (line for line in lines if "gradients overflow float16" in line)
    assert line.startswith("step 2: ") and line.endswith("loss scale inf -> inf")
    assert loop.step == 12
    assert int(loop.optimizer.inner.iterations) == 11
    assert np.isfinite(weights_of(loop.model)["conv/kernel"]).all()


def test_best_weights_are_those_of_the_highest_mask_ap(tmp_path):
    lines = []
    config = fake_config(tmp_path, eval_every=4)
    loop = make_loop(
        config, evaluate=rising_evaluation([0.2, 0.6, 0.4]), log=lines.append
    )
    figures = loop.run()
    assert figures == {"mask/AP": 0.4}
    best = json.loads((tmp_path / "best.json").read_text())
    assert best == {"step": 8, "mask/AP": 0.6}
    last = weights_of(loop.model)["conv/kernel"]
    load_weights(loop.model, tmp_path)
    assert not np.array_equal(weights_of(loop.model)["conv/kernel"], last)
    found = [r for r in loop.folder.records() if "evaluation" in r]
    assert [r["step"] for r in found] == [4, 8, 12]
    assert json.loads((tmp_path / "results.json").read_text()) == [{"image_id": 1}]


def test_best_score_survives_a_resume(tmp_path):
    config = fake_config(tmp_path, eval_every=4)
    first = make_loop(
        config, evaluate=rising_evaluation([0.7]), callbacks=[stop_after(5)]
    )
    first.run()
    make_loop(config, resume=True, evaluate=rising_evaluation([0.5])).run()
    assert json.loads((tmp_path / "best.json").read_text())["mask/AP"] == 0.7


def test_evaluation_that_was_cut_short_is_made_up_for(tmp_path):
    config = fake_config(tmp_path, eval_every=4)

    def killed(model, heartbeat):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_loop(config, evaluate=killed).run()
    loop = make_loop(config, resume=True, evaluate=rising_evaluation([0.1, 0.2, 0.3]))
    assert loop.step == 4
    loop.run()
    found = [r for r in loop.folder.records() if "evaluation" in r]
    assert [r["step"] for r in found] == [4, 8, 12]


def test_finished_run_gives_its_figures_again(tmp_path):
    config = fake_config(tmp_path)
    make_loop(config, evaluate=rising_evaluation([0.5])).run()

    def never(model, heartbeat):
        raise AssertionError("evaluated again")

    loop = make_loop(config, resume=True, evaluate=never)
    assert loop.run() == {"mask/AP": 0.5}


def test_tensorboard_files_are_written(tmp_path):
    loop = make_loop(
        fake_config(tmp_path, tensorboard=True), evaluate=rising_evaluation([0.5])
    )
    loop.run()
    (events,) = (tmp_path / "tensorboard").glob("events*")
    content = events.read_bytes()
    for tag in (b"train/mask", b"train/lr", b"val/mask/AP"):
        assert tag in content


def test_results_that_cannot_be_written_are_one_clear_error(tmp_path):
    loop = make_loop(fake_config(tmp_path), evaluate=rising_evaluation([0.5]))
    (tmp_path / "results.json").mkdir()
    with pytest.raises(RunFolderError, match="results.json: cannot be written"):
        loop.run()
    assert loop.checkpoints.manager.latest_checkpoint.endswith("step-12")
    assert not list(tmp_path.glob(".results*"))


def test_same_seed_gives_bit_equal_weights(tmp_path):
    runs = [make_loop(fake_config(tmp_path / name)) for name in "ab"]
    for loop in runs:
        loop.run()
    first, second = (weights_of(loop.model) for loop in runs)
    for path, value in first.items():
        np.testing.assert_array_equal(value, second[path], err_msg=path)


def events_of_a_run(tmp_path, monkeypatch, **options) -> str:
    """`s3` where the third step starts and `w3` where its figures are waited for."""
    events, start = [], TrainStep.start

    def start_and_tell(self, batch, stop=False):
        pending, number = start(self, batch, stop), self.calls
        wait = pending.wait

        def wait_and_tell():
            events.append(f"w{number}")
            return wait()

        pending.wait = wait_and_tell
        events.append(f"s{number}")
        return pending

    monkeypatch.setattr(TrainStep, "start", start_and_tell)
    config = fake_config(tmp_path, steps=9, log_every=7, checkpoint_every=100)
    make_loop(config, **options).run()
    return " ".join(events)


def test_next_step_starts_before_the_figures_of_the_last_are_read(
    tmp_path, monkeypatch
):
    # The first step is waited for to time the rest, the third, fifth and eighth end an
    # epoch, the seventh is logged.
    events = events_of_a_run(tmp_path, monkeypatch)
    assert events == "s1 w1 s2 s3 w2 w3 s4 s5 w4 w5 s6 s7 w6 w7 s8 w8 s9 w9"


def test_callbacks_see_the_figures_of_a_step_before_the_next(tmp_path, monkeypatch):
    callback = keras.callbacks.LambdaCallback()
    events = events_of_a_run(tmp_path, monkeypatch, callbacks=[callback])
    assert events == " ".join(f"s{n} w{n}" for n in range(1, 10))


def test_training_ends_early_when_evaluations_get_no_better(tmp_path):
    lines = []
    config = fake_config(tmp_path, eval_every=2, early_stopping=2)
    scores = rising_evaluation([0.2, 0.5, 0.5, 0.4, 0.9])
    loop = make_loop(config, evaluate=scores, log=lines.append)
    assert loop.run() == {"mask/AP": 0.4}
    assert loop.step == 8
    assert lines[-1] == (
        "step 8: 2 evaluations without a larger mask/AP than 0.5: training ends "
        "(train.early_stopping=2)"
    )
    assert loop.checkpoints.manager.latest_checkpoint.endswith("step-8")

    def never(model, heartbeat):
        raise AssertionError("evaluated again")

    ended = make_loop(config, resume=True, evaluate=never)
    assert ended.run() == {"mask/AP": 0.4}
    assert ended.step == 8


def test_early_stopping_counts_over_a_resume(tmp_path):
    config = fake_config(tmp_path, eval_every=2, early_stopping=3)
    first = rising_evaluation([0.5, 0.4])
    make_loop(config, evaluate=first, callbacks=[stop_after(4)]).run()
    loop = make_loop(config, resume=True, evaluate=rising_evaluation([0.3]))
    loop.run()
    assert loop.step == 8
