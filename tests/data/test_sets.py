"""The data of a run from its settings."""

import json

import pytest

from tfmask.config import DataConfig
from tfmask.data import sets
from tfmask.errors import ConfigError, DataError
from tfmask.structures import ClassMap


@pytest.fixture
def two_sets(content, write_set):
    """Folders; the second has one annotation of a class that is its own."""
    first = write_set(content, "first")
    content["categories"] = [{"id": 4, "name": "disc"}, {"id": 5, "name": "star"}]
    for annotation in content["annotations"]:
        annotation["category_id"] = 4
    content["annotations"][0]["category_id"] = 5
    return first, write_set(content, "second")


def test_several_training_sets_are_one_with_the_classes_of_all(two_sets):
    lines = []
    dataset = sets.load_training(DataConfig(train=two_sets), lines.append)
    # The first set's ids are 0 and 90.
    assert dataset.class_map == ClassMap((0, 90, 5), ("disc", "ring", "star"))
    labels = [image.labels.tolist() for image in dataset.images]
    assert labels == [[2, 1], [1], [], [3, 1], [1], []]
    said = [line for line in lines if "has no class" in line]
    assert len(said) == 2 and "star" in said[0] and "ring" in said[1]


def test_a_set_in_a_tuple_of_its_own_is_that_set(two_sets):
    one = sets.load_training(DataConfig(train=two_sets[:1]), None)
    assert one.images[0].image_id == 11
    assert [r.image_id for r in one.images] == [
        r.image_id
        for r in sets.load_training(DataConfig(train=two_sets[0]), None).images
    ]


def test_each_set_has_its_image_folder_and_its_weight(two_sets, tmp_path):
    (tmp_path / "second" / "images").rename(tmp_path / "pictures")
    options = DataConfig(
        train=two_sets, train_images=("", str(tmp_path / "pictures")), repeat=(1, 2)
    )
    assert len(sets.load_training(options, None)) == 9
    for changed in ({"repeat": (2,)}, {"train_images": "pictures"}):
        with pytest.raises(ConfigError, match="1 values for 2 sets of data.train"):
            sets.load_training(DataConfig(train=two_sets, **changed), None)


def test_names_are_looked_for_in_the_union(two_sets):
    options = DataConfig(train=two_sets, classes=("ring", "star"))
    assert sets.load_training(options, None).class_map.names == ("ring", "star")
    with pytest.raises(ConfigError, match="data.classes: .*'stars'"):
        sets.load_training(DataConfig(train=two_sets, classes=("stars",)), None)


def test_classes_without_one_object_are_not_trained_on(content, write_set):
    content["categories"].append({"id": 91, "name": "star"})
    options = DataConfig(train=write_set(content), classes=("star",))
    with pytest.raises(DataError, match="not one object of data.classes=star"):
        sets.load_training(options, None)


def test_images_whose_objects_are_all_left_out_can_be_dropped(content, write_set):
    options = DataConfig(train=write_set(content), classes=("ring",), keep_empty=False)
    assert [r.image_id for r in sets.load_training(options, None).images] == [11]


def test_validation_data_takes_the_labels_of_the_model(two_sets):
    options = DataConfig(val=two_sets[1], merge={"disc": "ring"})
    model = ClassMap((0, 90), ("star", "ring"))
    dataset = sets.load_validation(options, model, None)
    assert dataset.class_map == ClassMap((5, 4), ("star", "ring"))
    assert [image.labels.tolist() for image in dataset.images] == [[1, 2], [2], []]


def test_without_a_model_the_labels_are_the_datas_own(two_sets):
    options = DataConfig(val=two_sets[1], classes=("star",))
    dataset = sets.load_validation(options, None, None)
    assert dataset.class_map == ClassMap((5,), ("star",))
    with pytest.raises(ConfigError, match="no class 'ring'"):
        sets.load_validation(DataConfig(val=two_sets[1], classes=("ring",)), None, None)


@pytest.mark.parametrize("options", [DataConfig(), DataConfig(train=("a", ""))])
def test_a_forgotten_place_is_asked_for(options):
    with pytest.raises(ConfigError, match="data.train: expected the training data"):
        sets.load_training(options)
    with pytest.raises(ConfigError, match="data.val: expected the data to evaluate on"):
        sets.load_validation(options)


def test_faulty_objects_become_regions_to_ignore_in_the_whole_run(content, write_set):
    content["annotations"][0]["segmentation"] = None
    content["annotations"][1]["category_id"] = 77
    folder = write_set(content)
    options = DataConfig(train=folder, val=folder, faulty_objects="ignore")
    lines = []
    dataset = sets.load_training(options, lines.append)
    assert "0 of 3 annotations" in lines[0]
    assert "2 annotations made regions to ignore (2 errors" in lines[0]
    image = dataset.images[0]
    assert image.crowd.tolist() == [True, True] and image.labels.tolist() == [2, 0]
    truth = sets.load_validation(options, dataset.class_map, None).to_coco()
    regions = [a for a in truth["annotations"] if a["iscrowd"]]
    assert [a["category_id"] for a in regions] == [90, 0, 90]
    assert json.dumps(regions[1]["bbox"]) == "[40.0, 20.0, 10.0, 12.0]"
