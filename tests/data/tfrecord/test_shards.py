"""Which files belong to a set, and the label map beside them."""

import pytest

from tfmask.data.tfrecord import shards
from tfmask.errors import DataError
from tfmask.structures import ClassMap


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("train-00000-of-00032.tfrecord", True),
        ("train-*.tfrecord", True),
        ("coco_train.record-00001-of-00100", True),
        ("train.record", True),
        ("val.tfrecords", True),
        ("train@32", True),
        ("annotations.json", False),
        ("train", False),
        ("train.recording", False),
    ],
)
def test_names_that_mean_records(name, is_one, tmp_path):
    assert shards.looks_like_shards(str(tmp_path / name)) == is_one


@pytest.mark.parametrize("form", ["", "train-*", "train@2"])
def test_folder_pattern_and_number_find_the_same(form, tmp_path):
    names = ["train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord"]
    touch(tmp_path, *names, "train_label_map.pbtxt")
    found = shards.find_shards(str(tmp_path / form if form else tmp_path))
    assert found.paths == [str(tmp_path / n) for n in names]
    assert found.prefix == str(tmp_path / "train") and not found.problems


def test_a_missing_shard_is_named(tmp_path):
    touch(tmp_path, "a-00000-of-00003.tfrecord", "a-00002-of-00003.tfrecord")
    (problem,) = shards.find_shards(str(tmp_path)).problems
    assert problem.severity == "error" and "1 of 3 shards" in problem.message
    assert "a-00001-of-00003.tfrecord" in problem.message


def test_two_sets_in_a_folder_have_to_be_told_apart(tmp_path):
    touch(tmp_path, "train.tfrecord", "val.tfrecord")
    with pytest.raises(DataError, match="several sets.*train-.*val-"):
        shards.find_shards(str(tmp_path))


def test_nothing_there_says_what_is_expected(tmp_path):
    with pytest.raises(DataError, match="expected a pattern"):
        shards.find_shards(str(tmp_path / "x-*.tfrecord"))


def test_label_maps_of_others_are_read(tmp_path):
    touch(tmp_path, "t.record")
    text = """
    # of the Object Detection API
    item { name: "/m/01g317" id: 1 display_name: "person" }
    item {
      id: 7   # a gap
      name: 'caf\\'e \\"x\\"'
    }
    """
    (tmp_path / "any.pbtxt").write_text(text, encoding="utf-8")
    path, classes = shards.read_classes(shards.find_shards(str(tmp_path)))
    assert path.endswith("any.pbtxt")
    assert classes == ClassMap((1, 7), ("person", 'caf\'e "x"'))


def test_label_maps_come_back(tmp_path):
    touch(tmp_path, "t.record")
    classes = ClassMap((2, 9), ('a "b" \\', "\u82f9\u679c"))
    path = shards.label_map_path(str(tmp_path / "t"))
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(shards.format_classes(classes))
    assert shards.read_classes(shards.find_shards(str(tmp_path)))[1] == classes


@pytest.mark.parametrize("text", ["", "item { id: 3 }", "item { name: 'a' }"])
def test_a_damaged_label_map_is_an_error(text, tmp_path):
    touch(tmp_path, "t.record")
    (tmp_path / "t_label_map.pbtxt").write_text(text)
    with pytest.raises(DataError, match="t_label_map.pbtxt"):
        shards.read_classes(shards.find_shards(str(tmp_path)))
