"""The weight file of tfmask: what it holds, and what damage and strangers do to it."""

import os

import h5py
import numpy as np
import pytest
from weights.tiny_model import CLASSES, tiny_model, values_of

from tfmask.errors import CheckpointError
from tfmask.files import is_tfmask_file
from tfmask.weights import files as weight_files


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "best.tfmask.h5"
    config = {"train": {"steps": 5}}
    weight_files.write(path, tiny_model(1, helper=True), CLASSES, config)
    return path


def test_a_file_holds_weights_classes_and_config_but_no_loss_weights(path):
    file = weight_files.read(path)
    assert file.class_map == CLASSES
    assert file.config == {"train": {"steps": 5}}
    assert file.training_only == ("helper",)
    expected = {
        name: value
        for name, value in values_of(tiny_model(1, helper=True)).items()
        if not name.startswith("loss_weights/")
    }
    assert set(file.weights) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(file.weights[name], value)


def test_a_file_without_its_weights_says_the_rest(path):
    with h5py.File(path, "a") as file:
        file["weights/conv/bomb"] = h5py.SoftLink("/config")
    file = weight_files.read(path, with_weights=False)
    assert file.weights == {} and file.class_map == CLASSES


def test_files_of_tfmask_are_told_from_others_by_what_is_in_them(path, tmp_path):
    other = tmp_path / "other.weights.h5"
    path.rename(other)
    assert is_tfmask_file(other)
    with h5py.File(tmp_path / "keras.weights.h5", "w") as file:
        file["layers/conv/vars/0"] = np.zeros(3)
    (tmp_path / "text.tfmask.h5").write_text("no HDF5")
    for name in ("keras.weights.h5", "text.tfmask.h5", "none.tfmask.h5", "."):
        assert not is_tfmask_file(tmp_path / name)


def test_a_failed_write_keeps_the_old_file(path, monkeypatch):
    before = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CheckpointError, match="No space left"):
        weight_files.write(path, tiny_model(9), CLASSES, None)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("size", [0, 10, 600, 2000])
def test_a_truncated_file_is_one_clear_error(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CheckpointError, match="best.tfmask.h5"):
        weight_files.read(path)


@pytest.mark.parametrize("place", ["weights/conv/other", "weights"])
def test_links_to_other_files_are_refused(path, place):
    with h5py.File(path, "a") as file:
        if place in file:
            del file[place]
        file[place] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(CheckpointError, match=f"{place} is .*a link"):
        weight_files.read(path)


def test_arrays_larger_than_the_file_are_refused(path):
    with h5py.File(path, "a") as file:
        file["weights"].create_dataset("bomb", (10**6, 10**6), "f4", chunks=(64, 64))
    with pytest.raises(CheckpointError, match="bomb claims"):
        weight_files.read(path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file["layers/conv/0"] = np.zeros(3)
    with pytest.raises(CheckpointError, match="tfmask convert"):
        weight_files.read(path)


def names_of(paths):
    return [os.path.basename(path) for path in paths]


def test_checkpoints_are_whole_and_in_the_order_of_their_steps(tmp_path):
    for name in (
        "step-9.index",
        "step-9.data-00000-of-00001",
        "step-10.index",
        "step-10.data-00000-of-00001",
        "step-100.index",  # its data is lost
        "step-200.index",
        "step-200.data-00001-of-00002",  # one of two
        "ckpt-8.index",
        "ckpt-8.data-00000-of-00002",
        "ckpt-8.data-00001-of-00002",
        "model.index",  # says no step
        "model.data-00000-of-00001",
    ):
        (tmp_path / name).touch()
    prefixes = weight_files.complete_checkpoints(tmp_path)
    assert names_of(prefixes) == ["ckpt-8", "step-9", "step-10"]
    assert weight_files.complete_checkpoints(tmp_path / "none") == []
