"""Which reader takes a path, and what means the same for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from tfmask.config import DataConfig, PartConfig
from tfmask.data.coco import segmentation
from tfmask.data.dataset import Dataset, ImageRecord
from tfmask.data.readers import load_dataset
from tfmask.errors import ConfigError, DataError
from tfmask.structures import ClassMap


def square(image_id: str, side: int) -> ImageRecord:
    outline, _ = segmentation.parse([[0, 0, side, 0, side, side, 0, side]], 20, 30)
    return ImageRecord(
        image_id=image_id,
        path="",
        file_name=f"{image_id}.png",
        width=30,
        height=20,
        boxes=np.float32([[0, 0, side, side]]),
        labels=np.int32([1]),
        crowd=np.array([False]),
        areas=np.float64([side**2]),
        annotation_ids=(None,),
        segmentations=(outline,),
    )


def read_squares(path, images, options, log) -> Dataset:
    log(f"{path} {images} {options.exif}")
    return Dataset(
        path=path,
        source=path,
        image_folder=images,
        class_map=ClassMap((1,), ("square",)),
        images=[square(str(n), options.format.side) for n in range(2)],
        format="squares",
    )


@dataclass(kw_only=True)
class SquaresConfig(PartConfig):
    reader: ClassVar[Callable] = read_squares
    side: int = 5


def test_a_reader_of_the_users_own_gets_path_options_and_its_settings():
    lines = []
    options = DataConfig(format=SquaresConfig(side=7), exif="ignore")
    dataset = load_dataset("here", "there", options, training=True, log=lines.append)
    assert lines == ["here there ignore"]
    assert len(dataset) == 2 and dataset.images[1].boxes[0, 2] == 7
    np.testing.assert_array_equal(dataset.images[0].metric_boxes(), [[0, 0, 7, 7]])


@pytest.mark.parametrize("word", ["voc", "cococo", ""])
def test_an_unknown_format_is_refused_with_those_that_there_are(word):
    with pytest.raises(
        ConfigError, match="data.format=.*expected one of auto, lvis, coco"
    ):
        load_dataset("x", options=DataConfig(format=word))


def test_a_config_without_a_reader_is_refused():
    with pytest.raises(ConfigError, match="reader: ClassVar"):
        load_dataset("x", options=DataConfig(format=PartConfig()))


@pytest.mark.parametrize("word", ["auto", "coco"])
def test_a_coco_folder_and_file_are_known(word, content, write_set):
    folder = write_set(content)
    for path in (folder, f"{folder}/annotations.json"):
        dataset = load_dataset(path, options=DataConfig(format=word))
        assert len(dataset) == 3 and dataset.format == "coco"


def test_where_nothing_lies_the_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="annotations.json: No such file"):
        load_dataset(str(tmp_path))


def test_keep_empty_false_drops_images_without_objects_or_with_crowds_only(
    content, write_set
):
    content["annotations"][2]["iscrowd"] = 1
    folder = write_set(content)
    options = DataConfig(keep_empty=False)
    dataset = load_dataset(folder, options=options, training=True, log=None)
    assert [r.image_id for r in dataset.images] == [11]
    assert len(load_dataset(folder, options=options, log=None)) == 3  # to evaluate on


def test_keep_crowd_false_drops_regions_to_ignore_in_training_alone(content, write_set):
    content["annotations"][1]["iscrowd"] = 1
    folder = write_set(content)
    options = DataConfig(keep_crowd=False)
    dataset = load_dataset(folder, options=options, training=True, log=None)
    assert dataset.images[0].annotation_ids == (101,)
    kept = load_dataset(folder, options=options, log=None)
    assert kept.images[0].annotation_ids == (101, 102)


def every(change):
    def spoil(content):
        for record in content["annotations"]:
            change(record)

    return spoil


# How a set comes to have no object, and what the refusal says.
HOLLOW = {
    "all crowd": (every(lambda r: r.update(iscrowd=1)), "3 of 3 .*iscrowd=1"),
    "no outlines": (every(lambda r: r.pop("segmentation")), "segmentation_missing"),
    "outlines empty": (
        every(lambda r: r.update(segmentation=[])),
        "3 of 3 annotations .*commonest fault, 3 times: .*segmentation_empty",
    ),
    "image ids as text": (
        every(lambda r: r.update(image_id=str(r["image_id"]))),
        "unknown_image.*there is 11",
    ),
    "image ids with fractions": (
        every(lambda r: r.update(image_id=r["image_id"] + 0.5)),
        "unknown_image",
    ),
    "null categories": (
        every(lambda r: r.update(category_id=None)),
        "3 times: .*category_id is None",
    ),
    "no annotations": (
        lambda content: content.update(annotations=[]),
        "3 images have no annotations",
    ),
    "no image files": (
        lambda c: [i.update(file_name="gone.png") for i in c["images"]],
        "image_missing",
    ),
}


@pytest.mark.parametrize("name", HOLLOW)
def test_training_data_without_one_object_is_refused_with_the_reason(
    name, content, write_set
):
    spoil, said = HOLLOW[name]
    spoil(content)
    with pytest.raises(DataError, match=f"not one object to train on: .*{said}"):
        load_dataset(write_set(content), training=True, log=None)


def test_the_commonest_fault_is_the_one_that_is_named(content, write_set):
    content["annotations"][0]["segmentation"] = None
    for record in content["annotations"][1:]:
        record["category_id"] = 77
    with pytest.raises(DataError, match="commonest fault, 2 times: .*77"):
        load_dataset(write_set(content), training=True, log=None)


def test_data_without_objects_can_be_evaluated_on(content, write_set):
    content["annotations"] = []
    assert len(load_dataset(write_set(content))) == 3
