import os
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from training.fake_model import FakeModel
from training.fake_run import CLASSES, weights_of

from tfmask.config import TrainConfig
from tfmask.errors import CheckpointError, ClassMapError
from tfmask.structures import ClassMap
from tfmask.training.checkpoints import Checkpoints
from tfmask.training.optimizer import build_optimizer
from tfmask.training.step import LossScale
from tfmask.weights import files as weight_files
from tfmask.weights import load

OTHER = ClassMap((1, 2, 3), ("cat", "dog", "cow"))


def model_of_seed(seed, classes=3):
    keras.utils.set_random_seed(seed)
    return FakeModel(classes)


@pytest.fixture
def trained(tmp_path):
    """A model and its weight file."""
    model = model_of_seed(1)
    path = tmp_path / "best.weights.h5"
    weight_files.write(path, model, CLASSES, {"train": {"steps": 5}})
    return model, path


def assert_equal(first, second):
    first, second = weights_of(first), weights_of(second)
    for path in first:
        np.testing.assert_array_equal(first[path], second[path], err_msg=path)


def test_weight_file_restores_every_weight(trained):
    model, path = trained
    other = model_of_seed(2)
    report = load.load_weights(other, path, class_map=CLASSES)
    assert_equal(model, other)
    assert not (report.skipped or report.missing or report.unused)
    assert "weights loaded" in str(report)


def test_weight_file_holds_classes_and_config_but_no_loss_weights(trained):
    model, path = trained
    file = weight_files.read(path)
    assert file.class_map == CLASSES
    assert file.config == {"train": {"steps": 5}}
    assert not [name for name in file.weights if name.startswith("loss_weights")]


def test_run_folder_gives_the_best_then_the_last(tmp_path, trained):
    model, path = trained
    last = model_of_seed(3)
    optimizer = build_optimizer(last, TrainConfig())
    saver = Checkpoints(
        tmp_path / "checkpoints", last, optimizer, LossScale("float32"), 3
    )
    saver.save(7)
    other = model_of_seed(4)
    load.load_weights(other, tmp_path)
    assert_equal(other, model)
    path.unlink()
    load.load_weights(other, tmp_path)
    assert_equal(other, last)
    prefix = tmp_path / "checkpoints" / "step-7"
    for name in (prefix, f"{prefix}.index"):
        other = model_of_seed(5)
        load.load_weights(other, name)
        assert_equal(other, last)


def test_other_classes_are_refused(trained):
    model, path = trained
    before = weights_of(model)
    with pytest.raises(ClassMapError, match="round, square, star.*cat, dog, cow"):
        load.load_weights(model, path, class_map=OTHER)
    np.testing.assert_array_equal(
        before["conv/kernel"], weights_of(model)["conv/kernel"]
    )


def test_same_names_with_other_ids_are_the_same_classes(trained):
    model, path = trained
    load.load_weights(model, path, class_map=ClassMap((0, 1, 2), CLASSES.names))


def test_reset_keeps_initial_class_layers(trained):
    model, path = trained
    other = model_of_seed(2)
    initial = weights_of(other)
    report = load.load_weights(other, path, class_map=OTHER, reset_classes=True)
    found, source = weights_of(other), weights_of(model)
    np.testing.assert_array_equal(found["conv/kernel"], source["conv/kernel"])
    np.testing.assert_array_equal(
        found["class_logits/kernel"], initial["class_logits/kernel"]
    )
    assert [name for name, *_ in report.skipped] == [
        "class_logits/kernel",
        "class_logits/bias",
    ]


def test_another_number_of_classes_is_reported_with_both_shapes(trained):
    _, path = trained
    other = model_of_seed(2, classes=5)
    five = ClassMap(tuple(range(5)), tuple("abcde"))
    report = load.load_weights(other, path, class_map=five, reset_classes=True)
    assert ("class_logits/kernel", (4, 3), (4, 5)) in report.skipped
    assert "skipped class_logits/kernel: file has (4, 3), model has (4, 5)" in str(
        report
    )


def test_region_proposal_deltas_are_no_class_layer():
    assert load._is_class_layer("box_head/deltas/kernel")
    assert load._is_class_layer("mask_head/predictor/bias")
    assert not load._is_class_layer("rpn_head/deltas/kernel")
    assert not load._is_class_layer("backbone/res2_0/conv1/kernel")


def test_weights_of_another_model_are_refused(trained):
    _, path = trained
    with pytest.raises(CheckpointError, match="class_logits/kernel has shape"):
        load.load_weights(model_of_seed(2, classes=5), path)


def test_failed_write_keeps_the_old_file(trained, monkeypatch):
    model, path = trained
    before = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CheckpointError, match="No space left"):
        weight_files.write(path, model_of_seed(9), CLASSES, None)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("size", [0, 10, 600, 2000])
def test_truncated_file_is_one_clear_error(trained, size):
    _, path = trained
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CheckpointError, match="best.weights.h5"):
        load.read_weights(path)


def test_links_to_other_files_are_refused(trained):
    _, path = trained
    with h5py.File(path, "a") as file:
        file["weights/conv/other"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(CheckpointError, match="conv/other is a link"):
        load.read_weights(path)


def test_arrays_larger_than_the_file_are_refused(trained):
    _, path = trained
    with h5py.File(path, "a") as file:
        file["weights"].create_dataset("bomb", (10**6, 10**6), "f4", chunks=(64, 64))
    with pytest.raises(CheckpointError, match="bomb claims"):
        load.read_weights(path)


def test_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "foreign.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/conv/0"] = np.zeros(3)
    with pytest.raises(CheckpointError, match="tfmask convert"):
        load.read_weights(path)


@pytest.mark.parametrize("name", ["nothing", "nothing.weights.h5"])
def test_missing_weights_are_one_clear_error(tmp_path, name):
    with pytest.raises(CheckpointError, match="nothing"):
        load.read_weights(tmp_path / name)


def test_empty_folder_is_one_clear_error(tmp_path):
    with pytest.raises(CheckpointError, match="output folder of a run"):
        load.read_weights(Path(tmp_path))
