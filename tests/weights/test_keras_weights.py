"""What Keras saved: read whole, or refused with the model as it was."""

import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from models.model_cases import small_model
from weights.keras_files import write_keras_2
from weights.tiny_model import CLASSES, assert_equal, tiny_model, values_of

from tfmask.errors import CheckpointError
from tfmask.layers.naming import named_weights
from tfmask.weights import files as weight_files
from tfmask.weights import keras_files
from tfmask.weights.load import load_weights, read_class_map, read_weights

DATA = Path(__file__).parent / "data"
CLASS_LAYERS = ["box_head/class_logits/bias", "box_head/class_logits/kernel"]


@pytest.fixture
def saved(tmp_path):
    model = tiny_model(seed=1)
    model.save_weights(str(tmp_path / "x.weights.h5"))
    return model, tmp_path / "x.weights.h5"


def archive_of(path):
    """A `.keras` archive with these weights inside."""
    archive = path.with_suffix("").with_suffix(".keras")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("config.json", '{"class_name": "Unknown"}')
        file.writestr("metadata.json", "{}")
        file.write(path, "model.weights.h5")
    return archive


@pytest.mark.parametrize("form", ["weights", "archive"])
def test_weights_that_keras_saved_are_loaded(saved, form):
    model, path = saved
    path = path if form == "weights" else archive_of(path)
    other = tiny_model(seed=2)
    other.loss_weights.set("mask", 0.5)
    report = load_weights(other, path, class_map=CLASSES)
    assert_equal(model, other, but=["loss_weights/"])
    assert report.layout == "Keras" and not (report.reset or report.missing)
    assert float(named_weights(other)["loss_weights/mask"]) == 0.5


@pytest.mark.parametrize("generation", ["keras_2_15", "keras_3_15"])
def test_a_file_of_either_keras_is_loaded_on_this_one(generation):
    """They hold `tiny_model(seed=1)`, written by the Keras that the name says."""
    other = tiny_model(seed=2)
    load_weights(other, DATA / f"{generation}.weights.h5", class_map=CLASSES)
    assert_equal(other, tiny_model(seed=1))


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_a_whole_model_that_keras_saved_is_loaded(tmp_path, ending):
    model, path = small_model(seed=1), tmp_path / f"x{ending}"
    if ending == ".keras":
        model.save(path)
    else:
        model.save_weights(path)
    other = small_model(seed=2)
    report = load_weights(other, path, class_map=CLASSES)
    assert_equal(model, other)
    assert len(report.loaded) == len(weight_files.model_weights(model))


def compiled(seed):
    """A tiny model with an optimizer whose state is the seed."""
    model = tiny_model(seed)
    model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    model.optimizer.build(model.trainable_variables)
    for variable in slots(model):
        variable.assign(np.full(variable.shape, float(seed)))
    return model


def slots(model):
    variables = model.optimizer.variables
    variables = variables() if callable(variables) else variables
    return [variable for variable in variables if len(variable.shape)]


def test_the_state_of_an_optimizer_is_not_taken(tmp_path):
    model, other = compiled(1), compiled(2)
    model.save_weights(tmp_path / "x.weights.h5")
    load_weights(other, tmp_path / "x.weights.h5", class_map=CLASSES)
    assert_equal(model, other)
    assert slots(other)
    for variable in slots(other):
        assert (np.asarray(variable) == 2.0).all()


def test_reading_alone_changes_nothing(saved):
    model, path = saved
    other = tiny_model(seed=2)
    file = read_weights(path, other)
    assert_equal(other, tiny_model(seed=2))
    np.testing.assert_array_equal(
        file.weights["conv/kernel"], values_of(model)["conv/kernel"]
    )
    assert file.class_map is None and read_class_map(path) is None
    with pytest.raises(CheckpointError, match="nothing without its model"):
        read_weights(path)


def test_weights_of_another_model_leave_it_as_it_was(saved):
    _, path = saved
    for options in ({"classes": 5}, {"helper": True}):
        other = tiny_model(seed=2, **options)
        if "helper" in options:
            other.helper.training_only = False
        with pytest.raises(CheckpointError, match="is not in it or has another shape"):
            load_weights(other, path)
        assert_equal(other, tiny_model(seed=2, **options))


def test_a_file_of_nothing_that_the_model_has_is_one_sentence(tmp_path):
    model = keras.Sequential([keras.layers.Dense(3)])
    model.build((None, 9))
    path = tmp_path / "dense.weights.h5"
    model.save_weights(str(path))
    other = tiny_model(seed=2)
    with pytest.raises(CheckpointError, match="holds none of the model's weights"):
        load_weights(other, path)
    assert_equal(other, tiny_model(seed=2))


def test_a_layer_that_keras_leaves_out_without_an_error_is_seen(saved):
    model, path = saved
    with h5py.File(path, "a") as file:
        last = file.visit(lambda name: name if name.endswith("vars/3") else None)
        for i in range(4):  # the normalisation alone has so many
            del file[f"{last[:-1]}{i}"]
    with pytest.raises(CheckpointError, match="norm/.* is not in it"):
        load_weights(tiny_model(seed=2), path)


def test_other_classes_keep_their_initial_layers(saved):
    model, path = saved
    other = tiny_model(seed=2, classes=5)
    report = load_weights(other, path, reset_classes=True)
    assert sorted(report.missing) == CLASS_LAYERS
    assert_equal(other, tiny_model(seed=1, classes=5), but=["box_head/"])


def test_files_of_both_kinds_are_told_apart(saved, tmp_path):
    model, path = saved
    assert keras_files.is_keras_file(path)
    assert keras_files.is_keras_file(tmp_path / "model.keras")
    own = tmp_path / "own.weights.h5"
    weight_files.write(own, model, CLASSES, None)
    assert not keras_files.is_keras_file(own)
    assert not keras_files.is_keras_file(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("text")
    assert not keras_files.is_keras_file(tmp_path / "text.h5")


def test_an_older_layout_is_one_sentence(tmp_path):
    path = write_keras_2(tmp_path / "old.h5", {"conv/kernel": np.zeros((2, 2))})
    with pytest.raises(CheckpointError, match="older layout of Keras.*FORMAT:PATH"):
        load_weights(tiny_model(), path)


@pytest.mark.parametrize("form", ["weights", "archive"])
def test_links_and_damage_are_one_sentence(saved, tmp_path, form):
    _, path = saved
    with h5py.File(path, "a") as file:
        file["conv/other"] = h5py.ExternalLink("/etc/passwd", "/")
    bad = path if form == "weights" else archive_of(path)
    with pytest.raises(CheckpointError, match="conv/other is a link"):
        load_weights(tiny_model(), bad)
    bad.write_bytes(bad.read_bytes()[:500])
    if form == "archive":
        with pytest.raises(CheckpointError, match="not a readable zip archive"):
            load_weights(tiny_model(), bad)


def test_an_archive_without_weights_is_one_sentence(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as file:
        file.writestr("config.json", "{}")
    with pytest.raises(CheckpointError, match="without model.weights.h5"):
        load_weights(tiny_model(), tmp_path / "x.keras")
