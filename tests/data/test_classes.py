"""Classes by their names: chosen, merged, joined, matched."""

import numpy as np
import pytest

from tfmask.config import DataConfig
from tfmask.data import classes
from tfmask.data.coco import segmentation
from tfmask.data.dataset import Dataset, ImageRecord
from tfmask.errors import ConfigError, DataError
from tfmask.structures import ClassMap


def record(image_id, labels, **changes) -> ImageRecord:
    """An image with a square of each label, one beside the other."""
    count = len(labels)
    outline, _ = segmentation.parse([[0, 0, 4, 0, 4, 4, 0, 4]], 20, 100)
    left = 5.0 * np.arange(count)
    values = {
        "image_id": image_id,
        "path": "",
        "file_name": f"{image_id}.png",
        "width": 100,
        "height": 20,
        "boxes": np.stack([left, 0 * left, left + 4, 0 * left + 4], 1).astype("f4"),
        "labels": np.array(labels, np.int32),
        "crowd": np.zeros(count, bool),
        "areas": np.full(count, 16.0),
        "annotation_ids": tuple(range(1, count + 1)),
        "segmentations": (outline,) * count,
    }
    return ImageRecord(**{**values, **changes})


def data(names, *images, ids=None, path="set", **changes) -> Dataset:
    ids = tuple(ids or range(1, len(names) + 1))
    return Dataset(
        path=path,
        source=path,
        image_folder=path,
        class_map=ClassMap(ids, tuple(names)),
        images=list(images),
        **changes,
    )


def names_of(dataset) -> list[list[str]]:
    """The class name of each instance; "-" for a region of every class."""
    names = ("-", *dataset.class_map.names)
    return [[names[k] for k in image.labels] for image in dataset.images]


# --- choosing and merging -----------------------------------------------------------


def test_without_settings_the_data_set_is_itself():
    dataset = data(["a", "b"], record(1, [1, 2]))
    assert classes.choose_classes(dataset, DataConfig()) is dataset


def test_some_classes_are_kept_in_the_order_of_their_labels_with_their_ids():
    dataset = data(["a", "b", "c"], record(1, [1, 2, 3, 2]), ids=(5, 2, 9))
    lines = []
    options = DataConfig(classes=("c", "b"))
    chosen = classes.choose_classes(dataset, options, lines.append)
    assert chosen.class_map == ClassMap((2, 9), ("b", "c"))
    assert names_of(chosen) == [["b", "c", "b"]]
    assert chosen.images[0].annotation_ids == (2, 3, 4)
    np.testing.assert_array_equal(chosen.images[0].boxes[:, 0], [5, 10, 15])
    assert len(lines) == 1 and "1 objects of others are left out" in lines[0]


def test_objects_of_other_classes_can_be_regions_to_ignore():
    dataset = data(["a", "b"], record(1, [1, 2, 1]))
    options = DataConfig(classes=("b",), other_classes="ignore")
    (image,) = classes.choose_classes(dataset, options).images
    assert image.labels.tolist() == [0, 1, 0]
    assert image.crowd.tolist() == [True, False, True]


def test_classes_read_as_another_are_one_with_its_id():
    dataset = data(["car", "bus", "cat"], record(1, [1, 2, 3]), ids=(3, 6, 17))
    merged = classes.choose_classes(dataset, DataConfig(merge={"car": "bus"}))
    assert merged.class_map == ClassMap((6, 17), ("bus", "cat"))
    assert names_of(merged) == [["bus", "bus", "cat"]]
    new = DataConfig(merge={"car": "vehicle", "bus": "vehicle"}, classes=("vehicle",))
    merged = classes.choose_classes(dataset, new)
    assert merged.class_map == ClassMap((3,), ("vehicle",))
    assert names_of(merged) == [["vehicle", "vehicle"]]


def test_classes_of_one_name_stay_apart_unless_they_are_merged():
    dataset = data(["a", "a", "b"], record(1, [1, 2, 3]))
    apart = classes.choose_classes(dataset, DataConfig(classes=("a",)))
    assert apart.class_map == ClassMap((1, 2), ("a", "a"))
    merged = classes.choose_classes(dataset, DataConfig(merge={"a": "a"}))
    assert merged.images[0].labels.tolist() == [1, 1, 2]


def test_verified_classes_of_lvis_follow():
    image = record(
        1,
        [1],
        negative_labels=frozenset({2, 3}),
        not_exhaustive_labels=frozenset({1}),
    )
    dataset = data("abcd", image, class_frequencies=("r", "c", "f", "r"))
    options = DataConfig(merge={"b": "c", "d": "a"})
    merged = classes.choose_classes(dataset, options)
    assert merged.class_map.names == ("a", "c")
    (image,) = merged.images
    assert image.negative_labels == {2} and image.not_exhaustive_labels == {1}
    assert merged.class_frequencies == ()
    # Of "d" nothing is known: the image may hold what the merged class is.
    options = DataConfig(merge={"b": "d", "c": "d"}, classes=("d",))
    assert classes.choose_classes(dataset, options).images[0].negative_labels == set()
    options = DataConfig(classes=("d", "b"))
    assert classes.choose_classes(dataset, options).class_frequencies == ("c", "r")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (DataConfig(classes=("cat", "dgo")), "data.classes: .*no class 'dgo'"),
        (DataConfig(classes=("Cat",)), "'Cat' .there is 'cat'."),
        (DataConfig(merge={"cow": "dog"}), "data.merge: .*'cow'.* of cat, dog"),
        # What is read as another is not there any more.
        (DataConfig(classes=("cat",), merge={"cat": "dog"}), "no class 'cat'"),
    ],
)
def test_names_that_the_data_has_not_are_refused_with_those_it_has(options, said):
    with pytest.raises(ConfigError, match=said):
        classes.check_names(options, ("cat", "dog"))
    classes.check_names(DataConfig(classes=("pet",), merge={"cat": "pet"}), ("cat",))


# --- several sets ---------------------------------------------------------------------


def test_a_union_has_the_classes_of_all_by_name():
    first = data(["a", "b"], record(1, [1, 2]), ids=(10, 20), path="first")
    second = data(["c", "b"], record(1, [1, 2, 1]), ids=(10, 7), path="second")
    union = classes.join([first, second])
    assert union.class_map == ClassMap((10, 20, 21), ("a", "b", "c"))
    assert names_of(union) == [["a", "b"], ["c", "b", "c"]]
    assert [r.image_id for r in union.images] == ["1 of set 1", "1 of set 2"]
    assert union.source == "first, second"
    assert classes.missing_classes(first, union.class_map, {}) == ["c"]
    merged = classes.choose_classes(union, DataConfig(merge={"c": "a"}))
    assert classes.missing_classes(second, merged.class_map, {"c": "a"}) == []


def test_a_set_is_repeated_as_often_as_is_asked_for():
    first, second = data(["a"], record(1, [1])), data(["a"], record(2, [1]))
    assert len(classes.join([first, second], (1, 3)).images) == 4
    assert [r.image_id for r in classes.join([first], (2,)).images] == [1, 1]
    assert classes.join([first]) is first


def test_counts_of_a_union_are_those_of_all():
    parts = [
        data(["a"], record(1, [1]), images_left_out=n, annotations_left_out=2 * n)
        for n in (1, 3)
    ]
    union = classes.join(parts)
    assert (union.images_left_out, union.annotations_left_out) == (4, 8)


# --- matching with a model ------------------------------------------------------------

MODEL = ClassMap((1, 2, 3), ("a", "b", "c"))


def test_classes_are_matched_by_name_whatever_their_ids_and_order():
    dataset = data(["c", "a", "b"], record(1, [1, 2, 3]), ids=(1, 2, 3))
    lines = []
    matched = classes.match_classes(dataset, MODEL, DataConfig(), lines.append)
    assert matched.class_map == ClassMap((2, 3, 1), ("a", "b", "c"))
    assert matched.images[0].labels.tolist() == [3, 1, 2]
    assert lines == []


def test_equal_names_in_equal_order_change_nothing():
    dataset = data("abc", record(1, [1, 2]), ids=(7, 8, 9))
    assert classes.match_classes(dataset, MODEL, DataConfig()) is dataset


def test_a_class_that_is_missing_on_one_side_is_said():
    dataset = data(["B ", "a"], record(1, [1, 2, 1]), ids=(2, 3))
    lines = []
    matched = classes.match_classes(dataset, MODEL, DataConfig(), lines.append)
    assert names_of(matched) == [["a"]]
    assert matched.class_map.names == MODEL.names
    # "a" as the data has it; "b" may not be the data's 2, "c" not its 3.
    assert matched.class_map.ids == (3, 4, 5)
    (line,) = lines
    assert "B : not among the model's classes, 2 objects are left out" in line
    assert "there is 'b': data.merge.B =b" in line
    assert "b, c: classes of the model that are not in it" in line


def test_what_the_model_does_not_know_can_be_ignored_or_refused():
    dataset = data(["a", "moon"], record(1, [1, 2]))
    options = DataConfig(other_classes="ignore")
    (image,) = classes.match_classes(dataset, MODEL, options).images
    assert image.labels.tolist() == [1, 0] and image.crowd.tolist() == [False, True]
    with pytest.raises(DataError, match="moon: not among"):
        classes.match_classes(dataset, MODEL, DataConfig(strict=True))


def test_data_without_one_class_of_the_model_is_refused():
    with pytest.raises(DataError, match="x, y.* no name in common .*a, b, c"):
        classes.match_classes(data(["x", "y"], record(1, [1])), MODEL, DataConfig())
