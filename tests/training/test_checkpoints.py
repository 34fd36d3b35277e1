import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from training.fake_model import FakeModel

from tfmask.config import TrainConfig
from tfmask.errors import CheckpointError
from tfmask.training.checkpoints import Checkpoints, existing
from tfmask.training.optimizer import build_optimizer
from tfmask.training.step import LossScale

OPTIMIZERS = ["sgd", "AdamW", "RMSprop"]
if keras.__version__.startswith("2."):
    OPTIMIZERS += ["tfa.SGDW", "tfa.Lookahead", "tfa.LAMB", "tfa.MovingAverage"]


class Run:
    """A model, its optimizer and its checkpoints."""

    def __init__(self, folder, optimizer="sgd", keep=3, seed=0):
        keras.utils.set_random_seed(seed)
        self.model = FakeModel()
        self.optimizer = build_optimizer(self.model, TrainConfig(optimizer=optimizer))
        self.scale = LossScale("float16")
        self.checkpoints = Checkpoints(
            folder, self.model, self.optimizer, self.scale, keep
        )

    def update(self, seed):
        rng = np.random.default_rng(seed)
        self.optimizer.apply(
            [rng.normal(size=v.shape).astype("f4") for v in self.optimizer.variables]
        )

    def everything(self):
        variables = [*self.optimizer.variables, *self.optimizer.state()]
        return [v.numpy() for v in variables]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_restored_run_goes_on_bit_for_bit(tmp_path, name):
    first = Run(tmp_path, name)
    first.update(0)
    first.update(1)
    first.scale.scale.assign(512.0)
    first.checkpoints.save(2)
    first.update(2)

    second = Run(tmp_path, name, seed=5)
    assert second.checkpoints.restore() == 2
    assert float(second.scale.scale) == 512.0
    second.update(2)
    for old, new in zip(first.everything(), second.everything(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_loss_weights_are_in_the_checkpoint(tmp_path):
    first = Run(tmp_path)
    first.model.loss_weights.set("mask", 1.5)
    first.checkpoints.save(1)
    second = Run(tmp_path)
    second.checkpoints.restore()
    assert float(second.model.loss_weights.get()["mask"]) == 1.5


def test_only_the_newest_are_kept(tmp_path):
    run = Run(tmp_path, keep=2)
    for step in (10, 20, 30):
        run.checkpoints.save(step)
    names = [path.split("/")[-1] for path in existing(tmp_path)]
    assert names == ["step-20", "step-30"]


def test_no_checkpoint_is_not_an_error(tmp_path):
    assert Run(tmp_path).checkpoints.restore() is None


def test_damaged_newest_checkpoint_gives_way_to_the_one_before(tmp_path):
    run = Run(tmp_path)
    run.update(0)
    run.checkpoints.save(1)
    expected = run.everything()
    run.update(1)
    run.checkpoints.save(2)
    (tmp_path / "step-2.index").write_bytes(b"cut short")
    lines = []
    other = Run(tmp_path, seed=3)
    assert other.checkpoints.restore(lines.append) == 1
    assert "step-2" in lines[0]
    for old, new in zip(expected, other.everything(), strict=True):
        np.testing.assert_array_equal(old, new)
    other.checkpoints.save(2)
    assert Run(tmp_path).checkpoints.restore() == 2


def test_checkpoint_list_may_be_lost(tmp_path):
    Run(tmp_path).checkpoints.save(4)
    (tmp_path / "checkpoint").unlink()
    assert Run(tmp_path).checkpoints.restore() == 4


def test_leftovers_of_a_killed_save_are_removed(tmp_path):
    run = Run(tmp_path)
    run.checkpoints.save(4)
    (tmp_path / "step-8_temp").mkdir()
    (tmp_path / "step-8.data-00000-of-00001").write_bytes(b"half")
    other = Run(tmp_path)
    assert other.checkpoints.restore() == 4
    assert not list(tmp_path.glob("step-8*"))


def test_another_optimizer_cannot_restore(tmp_path):
    Run(tmp_path, "sgd").checkpoints.save(1)
    with pytest.raises(CheckpointError, match="optimizer changed"):
        Run(tmp_path, "AdamW").checkpoints.restore(lambda line: None)


def test_failed_save_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    run = Run(tmp_path)
    run.checkpoints.save(1)

    def full(*args, **kwargs):
        (tmp_path / "step-2_temp").mkdir()
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.train.Checkpoint, "_write", full)
    with pytest.raises(CheckpointError, match="No space left.*step-1"):
        run.checkpoints.save(2)
    monkeypatch.undo()
    assert not list(tmp_path.glob("step-2*"))
    assert Run(tmp_path).checkpoints.restore() == 1


def test_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        Run(tmp_path / "file" / "checkpoints").checkpoints.save(1)


def test_checkpoint_names_no_python_object(tmp_path):
    run = Run(tmp_path)
    run.checkpoints.save(1)
    keys = tf.train.load_checkpoint(str(tmp_path)).get_variable_to_shape_map()
    assert "weights/conv.Skernel/.ATTRIBUTES/VARIABLE_VALUE" in keys
    assert json.dumps(sorted(keys)).count("optimizer/") == len(run.optimizer.state())
