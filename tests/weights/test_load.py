"""Which weights are loaded, from which file, and what is said of the others."""

import pytest
from weights.tiny_model import (
    CLASSES,
    OTHERS,
    TinyModel,
    assert_equal,
    tiny_model,
    values_of,
)

from tfmask.config import TrainConfig
from tfmask.errors import CheckpointError, ClassMapError
from tfmask.structures import ClassMap
from tfmask.training.checkpoints import Checkpoints
from tfmask.training.optimizer import build_optimizer
from tfmask.training.step import LossScale
from tfmask.weights import files as weight_files
from tfmask.weights.load import load_weights, read_class_map, read_weights

CLASS_LAYERS = ["box_head/class_logits/bias", "box_head/class_logits/kernel"]


@pytest.fixture
def trained(tmp_path):
    """A model and its weight file."""
    model = tiny_model(seed=1)
    path = tmp_path / "best.tfmask.h5"
    weight_files.write(path, model, CLASSES, {"train": {"steps": 5}})
    return model, path


def save_checkpoint(folder, model, *steps):
    optimizer = build_optimizer(model, TrainConfig())
    saver = Checkpoints(folder, model, optimizer, LossScale("float32"), keep=9)
    for step in steps:
        saver.save(step)


def test_a_weight_file_restores_every_weight(trained):
    model, path = trained
    other = tiny_model(seed=2)
    report = load_weights(other, path, class_map=CLASSES)
    assert_equal(model, other)
    assert not (report.reset or report.missing or report.skipped)
    assert f"{len(report.loaded)} of {len(report.loaded)} weights loaded" in str(report)


def test_a_run_folder_gives_the_best_then_the_last(tmp_path, trained):
    model, path = trained
    last = tiny_model(seed=3)
    save_checkpoint(tmp_path / "checkpoints", last, 7)
    other = tiny_model(seed=4)
    load_weights(other, tmp_path)
    assert_equal(other, model)
    path.unlink()
    load_weights(other, tmp_path)
    assert_equal(other, last)
    prefix = tmp_path / "checkpoints" / "step-7"
    for name in (prefix, f"{prefix}.index"):
        other = tiny_model(seed=5)
        load_weights(other, name)
        assert_equal(other, last)


def test_the_folder_of_an_older_run_is_read(tmp_path, trained):
    model, path = trained
    path.rename(tmp_path / "best.weights.h5")
    other = tiny_model(seed=2)
    report = load_weights(other, tmp_path, class_map=CLASSES)
    assert_equal(model, other)
    assert report.class_map == CLASSES


def test_the_last_whole_checkpoint_is_taken_without_tensorflows_list(tmp_path):
    model = tiny_model(seed=1)
    folder = tmp_path / "checkpoints"
    save_checkpoint(folder, model, 9)
    model.conv.kernel.assign(model.conv.kernel + 1.0)
    save_checkpoint(folder, model, 10, 100)
    (folder / "checkpoint").unlink()
    (folder / "step-100.data-00000-of-00001").unlink()
    other = tiny_model(seed=2)
    report = load_weights(other, tmp_path)
    assert report.source.endswith("step-10")
    assert_equal(model, other)


def test_a_folder_that_is_named_from_home_is_found(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_weights("~/best.tfmask.h5").class_map == CLASSES


def test_the_classes_of_weights_are_read_without_the_weights(tmp_path, trained):
    model, path = trained
    assert read_class_map(path) == CLASSES
    path.unlink()
    save_checkpoint(tmp_path / "checkpoints", model, 7)
    assert read_class_map(tmp_path) is None
    (tmp_path / "classes.json").write_text('{"ids": [3, 4], "names": ["a", "b"]}')
    assert read_class_map(tmp_path) == ClassMap((3, 4), ("a", "b"))
    assert read_class_map(tmp_path / "checkpoints" / "step-7").names == ("a", "b")


def test_other_classes_are_refused(trained):
    model, path = trained
    before = values_of(model)
    model.conv.kernel.assign(model.conv.kernel + 1.0)
    with pytest.raises(ClassMapError, match="3=round.*2=dog, 3=cow"):
        load_weights(model, path, class_map=OTHERS)
    assert (values_of(model)["conv/kernel"] == before["conv/kernel"] + 1.0).all()


def test_same_names_with_other_ids_are_the_same_classes(trained):
    model, path = trained
    load_weights(model, path, class_map=ClassMap((0, 1, 2), CLASSES.names))


def test_other_classes_reset_what_the_heads_say_are_classes(trained):
    model, path = trained
    other, initial = tiny_model(seed=2), tiny_model(seed=2)
    report = load_weights(other, path, class_map=OTHERS, reset_classes=True)
    assert sorted(report.reset) == CLASS_LAYERS
    assert_equal(other, model, but=CLASS_LAYERS)
    for name in CLASS_LAYERS:
        assert (values_of(other)[name] == values_of(initial)[name]).all()


def test_the_model_itself_may_say_which_layers_are_classes(trained):
    class Bare(TinyModel):
        class_layers = ("conv",)

    _, path = trained
    other = Bare()
    report = load_weights(other, path, class_map=OTHERS, reset_classes=True)
    assert sorted(report.reset) == [*CLASS_LAYERS, "conv/bias", "conv/kernel"]


def test_another_number_of_classes_is_reported_with_both_shapes(trained):
    _, path = trained
    other = tiny_model(seed=2, classes=5)
    five = ClassMap(tuple(range(5)), tuple("abcde"))
    report = load_weights(other, path, class_map=five, reset_classes=True)
    assert report.reset["box_head/class_logits/kernel"] == ((4, 3), (4, 5))
    line = "reset box_head/class_logits/kernel: file [4, 3], model [4, 5]"
    assert line in str(report)


def test_weights_of_another_model_are_refused(trained):
    _, path = trained
    other = tiny_model(seed=2, classes=5)
    with pytest.raises(CheckpointError, match="class_logits/kernel has shape"):
        load_weights(other, path)
    assert_equal(other, tiny_model(seed=2, classes=5))


def test_parts_of_training_alone_may_be_absent_or_differ(tmp_path, trained):
    _, path = trained
    other = tiny_model(seed=2, helper=True)
    lines = load_weights(other, path, class_map=CLASSES).differences()
    assert lines == [
        "helper: the file has no weights of it, it keeps its initial ones; inference "
        "does without it"
    ]
    weight_files.write(path, tiny_model(classes=3, helper=True), CLASSES, None)
    wide = tiny_model(seed=2, helper=True)
    wide.helper.hidden = None
    load_weights(wide, path, class_map=CLASSES)


def test_a_file_says_which_of_its_parts_are_of_training_alone(tmp_path):
    path = tmp_path / "x.tfmask.h5"
    weight_files.write(path, tiny_model(helper=True), CLASSES, None)
    lines = load_weights(tiny_model(), path, class_map=CLASSES).differences()
    assert lines == [
        "helper: the file has weights of it, the model has no such part; inference "
        "does without it"
    ]


@pytest.mark.parametrize("name", ["nothing", "nothing.weights.h5", "nothing.keras"])
def test_missing_weights_are_one_clear_error(tmp_path, name):
    with pytest.raises(CheckpointError, match=f"/{name}"):
        load_weights(tiny_model(), tmp_path / name)
    if not name.endswith(".keras"):
        with pytest.raises(CheckpointError, match=f"/{name}"):
            read_weights(tmp_path / name)


def test_an_empty_folder_is_one_clear_error(tmp_path):
    with pytest.raises(CheckpointError, match="output folder of a run"):
        read_weights(tmp_path)


def test_weights_of_another_project_are_to_be_converted_first(tmp_path):
    with pytest.raises(CheckpointError, match="tfmask convert"):
        read_weights("detectron2:model_final.pkl")
    folder = tmp_path / "run_14:30"
    folder.mkdir()
    weight_files.write(folder / "best.tfmask.h5", tiny_model(seed=1), CLASSES, None)
    other = tiny_model(seed=2)
    load_weights(other, folder, class_map=CLASSES)
    assert_equal(other, tiny_model(seed=1))
