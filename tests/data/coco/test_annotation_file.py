"""Ids as tables of floats write them, frequencies of classes, hints at other files."""

import json
import os

import pytest

from tfmask.data.coco.annotation_file import open_annotations
from tfmask.data.readers import load_dataset
from tfmask.errors import DataError

FIELDS = [
    ("images", "id"),
    ("annotations", "image_id"),
    ("annotations", "category_id"),
    ("annotations", "id"),
    ("categories", "id"),
]


@pytest.mark.parametrize(("key", "field"), FIELDS)
def test_whole_numbers_with_a_point_are_ids(key, field, content, write_set):
    expected = load_dataset(write_set(content))
    for record in content[key]:
        record[field] = float(record[field])
    dataset = load_dataset(write_set(content, "floats"), log=None)
    assert dataset.class_map == expected.class_map
    for first, second in zip(dataset.images, expected.images, strict=True):
        assert first.image_id == second.image_id
        assert type(first.image_id) is int
        assert first.annotation_ids == second.annotation_ids
        assert first.labels.tolist() == second.labels.tolist()
    (problem,) = dataset.problems
    assert problem.kind == "float_ids" and f"have {field} as a number" in str(problem)


def test_ids_all_as_floats_load_as_a_whole(content, write_set):
    text = json.dumps(content, default=float)
    content = json.loads(text, parse_int=float)
    for image in content["images"]:
        image["width"], image["height"] = int(image["width"]), int(image["height"])
    for record in content["annotations"]:
        if isinstance(record["segmentation"], dict):
            code = record["segmentation"]
            code["size"] = [int(v) for v in code["size"]]
            code["counts"] = [int(v) for v in code["counts"]]
    dataset = load_dataset(write_set(content), training=True, log=None)
    assert dataset.num_objects == 3 and dataset.class_map.ids == (0, 90)


def test_a_fraction_among_the_ids_leaves_the_field_as_it_is(content, write_set):
    content["images"][0]["id"], content["images"][1]["id"] = 11.5, 7.0
    kinds = {p.kind for p in load_dataset(write_set(content), log=None).problems}
    assert "image_bad_id" in kinds and "float_ids" not in kinds


def test_frequencies_are_kept_where_every_class_has_one(content, write_set):
    content["categories"][0]["frequency"] = "c"
    assert open_annotations(write_set(content)).class_frequencies == ()
    content["categories"][1]["frequency"] = "r"
    assert open_annotations(write_set(content, "all")).class_frequencies == ("r", "c")


def test_a_folder_without_the_usual_file_names_the_others(content, write_set):
    folder = write_set(content)
    os.rename(f"{folder}/annotations.json", f"{folder}/result.json")
    with pytest.raises(DataError, match="annotations.json: .*there is result.json"):
        open_annotations(folder)
