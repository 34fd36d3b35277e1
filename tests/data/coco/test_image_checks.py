"""Image records whose file or size is not as written but can be had all the same."""

import os
import re
import unicodedata

import cv2
import numpy as np
import pytest
from image_bytes import with_exif

from tfmask.data.problems import ERROR
from tfmask.data.readers import load_dataset
from tfmask.data.validate import validate_dataset


def rename(content, change):
    for record in content["images"]:
        record["file_name"] = change(record["file_name"])


# How file names are written, for files a.png, b.jpg and sub/c.png in images/.
WRITTEN = {
    "the folder's name once more": lambda name: f"images/{name}",
    "two folders of the path": lambda name: f"set/images/{name}",
    "Windows": lambda name: "images\\" + name.replace("/", "\\"),
    "upper case": str.upper,
    "per cent": lambda name: name.replace("c", "%63"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_files_are_found_under_names_that_are_plainly_meant(name, content, write_set):
    rename(content, WRITTEN[name])
    folder = write_set(content)
    lines = []
    dataset = load_dataset(folder, log=lines.append)
    assert [r.file_name for r in dataset.images] == ["a.png", "b.jpg", "sub/c.png"]
    assert all(os.path.isfile(r.path) for r in dataset.images)
    assert [len(r.boxes) for r in dataset.images] == [2, 1, 0]
    (problem,) = dataset.problems
    assert problem.kind == "image_name_mended" and "of 3 file names" in str(problem)
    assert len(lines) == 1


def test_absolute_paths_inside_the_folder_are_taken(content, write_set):
    folder = write_set({"images": []})
    rename(content, lambda name: f"{folder}/images/{name}")
    dataset = load_dataset(write_set(content, "other"), f"{folder}/images", log=None)
    assert [r.file_name for r in dataset.images] == ["a.png", "b.jpg", "sub/c.png"]


def test_letters_of_two_characters_are_the_same_as_of_one(content, write_set):
    content["images"][0]["file_name"] = unicodedata.normalize("NFC", "grün.png")
    folder = write_set(content)
    os.rename(
        f"{folder}/images/a.png",
        f"{folder}/images/{unicodedata.normalize('NFD', 'grün.png')}",
    )
    (problem,) = load_dataset(folder, log=None).problems
    assert (problem.kind, problem.image_id) == ("image_name_mended", 11)


def test_files_of_lvis_are_found_by_their_address(content, write_set):
    folder = write_set(content)
    urls = ("http://images.cocodataset.org/sub/c.png", "http://host/val2017/b.jpg")
    for record, url in zip(content["images"][1:], urls):
        del record["file_name"]
        record["coco_url"] = url
    content["images"][0] |= {
        "file_name": "COCO_val_a.png",
        "coco_url": "http://h/a.png",
    }
    dataset = load_dataset(write_set(content, "lvis"), f"{folder}/images", log=None)
    assert [r.file_name for r in dataset.images] == ["a.png", "sub/c.png", "b.jpg"]


def test_two_files_that_can_be_meant_are_both_named(content, write_set):
    content["images"][0]["file_name"] = "A.pNG"
    folder = write_set(content)
    cv2.imwrite(f"{folder}/images/A.png", np.zeros((40, 60, 3), np.uint8))
    (problem,) = validate_dataset(folder).problems
    assert problem.kind == "image_missing"
    assert "near it is A.png, a.png" in problem.message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.jpg", "near it is a.png"),
        ("/elsewhere/a.png", "leads out of the image folder .*there is a.png in it"),
        ("D:\\photos\\b.jpg", "leads out of the image folder .*there is b.jpg in it"),
    ],
)
def test_a_near_miss_is_named(name, said, content, write_set):
    content["images"][0]["file_name"] = name
    (problem,) = validate_dataset(write_set(content)).problems
    assert problem.severity == ERROR and re.search(said, problem.message)


# --- sizes ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "60", 60.0, "wide"])
def test_a_width_that_is_no_integer_is_taken_from_the_file(value, content, write_set):
    for record in content["images"]:
        record["width"] = value
    dataset = load_dataset(write_set(content), log=None)
    assert [(r.height, r.width) for r in dataset.images] == [(40, 60)] * 3
    (problem,) = dataset.problems
    assert problem.kind == "image_size_missing" and "3 of 3" in problem.message


def test_missing_sizes_are_taken_from_the_files(content, write_set):
    del content["images"][1]["width"], content["images"][1]["height"]
    dataset = load_dataset(write_set(content), log=None)
    assert (dataset.images[1].height, dataset.images[1].width) == (40, 60)
    assert dataset.problems[0].image_id == 7


def test_a_size_taken_from_a_turned_file_is_the_upright_one(content, write_set):
    folder = write_set(content)
    path = f"{folder}/images/b.jpg"
    with open(path, "rb") as stream:
        data = with_exif(stream.read(), 6)
    with open(path, "wb") as stream:
        stream.write(data)
    del content["images"][1]["width"], content["images"][1]["height"]
    content["annotations"] = content["annotations"][:2]
    dataset = load_dataset(write_set(content, "new"), f"{folder}/images", log=None)
    assert (dataset.images[1].height, dataset.images[1].width) == (60, 40)
