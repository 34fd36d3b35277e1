"""Every fault is named with its image and annotation, and none ends the process."""

import json
import os

import numpy as np
import pytest
from annotation_faults import FAULTS

from tfmask.config import DataConfig
from tfmask.data.problems import ERROR, Problem
from tfmask.data.readers import load_dataset, why_no_objects
from tfmask.data.validate import validate_dataset
from tfmask.errors import DataError

STRICT = DataConfig(strict=True)


def check_usable(dataset) -> None:
    """What a lenient load gives can be trained on."""
    for record in dataset.images:
        boxes, limit = record.boxes, [record.width, record.height]
        assert np.isfinite(boxes).all() and (boxes >= 0).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all() and (boxes[:, 2:] <= limit).all()
        assert (record.areas > 0).all()
        assert ((record.labels >= 1) & (record.labels <= 3)).all()
        for index in range(len(boxes)):
            mask = record.mask(index)
            assert mask.shape == (record.height, record.width)
            assert mask.max() == 1 and set(np.unique(mask)) <= {0, 1}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named_with_its_ids_and_the_rest_loads(name, content, write_set):
    spoil, kind, image_id, annotation_id, severity = FAULTS[name]
    spoil(content)
    folder = write_set(content)

    problems = validate_dataset(folder).problems

    expected = [(kind, image_id, annotation_id, severity)] if kind else []
    got = [(p.kind, p.image_id, p.annotation_id, p.severity) for p in problems]
    assert got == expected
    for problem in problems:
        assert "\n" not in str(problem)

    lines = []
    dataset = load_dataset(folder, log=lines.append)
    assert len(lines) == (1 if kind else 0)
    assert dataset.problems == problems
    assert 2 <= len(dataset) <= 4
    check_usable(dataset)

    if severity == ERROR:
        with pytest.raises(DataError, match=kind):
            load_dataset(folder, options=STRICT)
    else:
        check_usable(load_dataset(folder, options=STRICT, log=None))


def test_there_are_at_least_forty_kinds_of_faults():
    assert len({row[1] for row in FAULTS.values()}) >= 40


FILE_FAULTS = {
    "results file": (b"[]", "file_not_object"),
    "text": (b"hello", "file_not_json"),
    "nothing": (b"", "file_not_json"),
    "truncated": (b'{"images": [{"id": 1,', "file_not_json"),
    "bytes": (bytes(range(256)), "file_not_json"),
    "nested": (b"[" * 100_000, "file_not_json"),
    "no annotations": (b'{"images": [], "categories": []}', "file_missing_key"),
    "annotations null": (
        b'{"images": [], "categories": [], "annotations": null}',
        "file_missing_key",
    ),
    "no images": (b'{"images": [], "categories": [], "annotations": []}', "no_images"),
    "no categories": (
        b'{"images": [{"id": 1}], "categories": [], "annotations": []}',
        "no_categories",
    ),
}


@pytest.mark.parametrize("name", FILE_FAULTS)
def test_fault_of_the_whole_file_is_one_sentence(name, write_set):
    raw, kind = FILE_FAULTS[name]
    folder = write_set(raw)
    problems = validate_dataset(folder).problems
    assert [(p.kind, p.image_id, p.annotation_id) for p in problems] == [
        (kind, None, None)
    ]
    assert "annotations.json: " in problems[0].message
    assert "\n" not in problems[0].message
    for strict in (False, True):
        with pytest.raises(DataError) as caught:
            load_dataset(folder, options=DataConfig(strict=strict))
        assert caught.value.kind == kind


def test_truncation_of_a_sound_file_at_any_point_is_not_json(content, write_set):
    raw = json.dumps(content).encode()
    folder = write_set(raw)
    path = os.path.join(folder, "annotations.json")
    for cut in range(1, len(raw), len(raw) // 10):
        with open(path, "wb") as stream:
            stream.write(raw[:cut])
        (problem,) = validate_dataset(folder).problems
        assert problem.kind == "file_not_json" and "truncated" in problem.message


def test_missing_file_and_missing_image_folder_are_named(content, write_set, tmp_path):
    (problem,) = validate_dataset(str(tmp_path / "none.json")).problems
    assert problem.kind == "file_missing" and "none.json" in problem.message
    (problem,) = validate_dataset(
        write_set(content), str(tmp_path / "nowhere")
    ).problems
    assert problem.kind == "image_folder_missing" and "nowhere" in problem.message


def test_sound_set_has_no_problems(content, write_set):
    assert validate_dataset(write_set(content)) == ([], "")


def test_byte_order_mark_and_utf8_names_are_fine(content, write_set):
    content["categories"][0]["name"] = "Kölner Ring 環"
    raw = b"\xef\xbb\xbf" + json.dumps(content, ensure_ascii=False).encode()
    folder = write_set(raw)
    assert validate_dataset(folder).problems == []
    assert load_dataset(folder).class_map.names == ("disc", "Kölner Ring 環")


def test_annotations_of_a_missing_image_go_with_it_without_a_line_each(
    content, write_set
):
    content["images"][0]["file_name"] = "gone.png"
    lines = []
    dataset = load_dataset(write_set(content), log=lines.append)
    assert [p.kind for p in dataset.problems] == ["image_missing"]
    assert "2 of 3 annotations and 1 of 3 images left out" in lines[0]


def test_problem_reads_as_one_line():
    problem = Problem("rle_short", 5, "a7", "too short", ERROR)
    assert str(problem) == "error [rle_short] image 5 annotation 'a7': too short"


# --- faulty records as regions to ignore ----------------------------------------------


def ignored(content, write_set):
    """The data set with `data.faulty_objects=ignore`, and its regions to ignore."""
    options = DataConfig(faulty_objects="ignore")
    dataset = load_dataset(write_set(content), options=options, log=None)
    regions = [
        (r.image_id, r.annotation_ids[i], r.boxes[i].tolist(), int(r.labels[i]))
        for r in dataset.images
        for i in np.flatnonzero(r.crowd)
    ]
    return dataset, regions


@pytest.mark.parametrize(
    "spoil",
    [
        {"segmentation": []},
        {"segmentation": "x"},
        {"segmentation": [[0, 0, 0.2, 0, 0.2, 0.2]]},  # no pixel
        {"segmentation": [[900, 900, 950, 900, 950, 950]]},  # outside
        {"iscrowd": 7},
    ],
)
def test_a_faulty_record_with_a_sound_box_is_a_region_to_ignore(
    spoil, content, write_set
):
    content["annotations"][0].update(spoil)
    dataset, regions = ignored(content, write_set)
    assert regions == [(11, 101, [10, 5, 30, 15], 2)]
    assert (dataset.annotations_left_out, dataset.annotations_ignored) == (0, 1)
    # Its mask is the box; metrics take it too.
    mask = dataset.images[0].mask(1)
    assert mask.sum() == 200 == mask[5:15, 10:30].sum()
    assert dataset.images[0].areas[1] == 200


def test_a_region_of_no_known_class_is_one_of_every_class(content, write_set):
    content["annotations"][0]["category_id"] = 91
    dataset, regions = ignored(content, write_set)
    assert regions == [(11, 101, [10, 5, 30, 15], 0)]
    classes = [a["category_id"] for a in dataset.to_coco()["annotations"]]
    assert classes == [0, 0, 90, 0]


def test_boxes_of_regions_are_read_as_the_files_others(content, write_set):
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        annotation["bbox"] = [x, y, x + width, y + height]
    content["annotations"][0]["segmentation"] = None
    assert ignored(content, write_set)[1] == [(11, 101, [10, 5, 30, 15], 2)]


@pytest.mark.parametrize(
    "spoil",
    [
        {"bbox": None},
        {"bbox": [10, 5, 0, 10]},
        {"bbox": [70, 5, 20, 10]},  # beside the image
        {"image_id": 99},
    ],
)
def test_a_faulty_record_without_a_sound_box_is_left_out(spoil, content, write_set):
    content["annotations"][0].update(segmentation=None, **spoil)
    dataset, regions = ignored(content, write_set)
    assert regions == [] and dataset.annotations_left_out == 1


def test_the_same_record_twice_is_no_region_to_ignore(content, write_set):
    content["annotations"].append(dict(content["annotations"][0]))
    dataset, regions = ignored(content, write_set)
    assert regions == [] and dataset.annotations_left_out == 1


def test_many_faulty_records_are_not_said_to_be_crowds(content, write_set):
    for annotation in content["annotations"][:2]:
        annotation["segmentation"] = None
    dataset, regions = ignored(content, write_set)
    assert len(regions) == 2
    assert "many_crowd" not in {p.kind for p in dataset.problems}
    content["annotations"][2]["segmentation"] = None
    dataset, _ = ignored(content, lambda c: write_set(c, "other"))
    assert "3 of 3 annotations are left out; the commonest fault, 3" in (
        why_no_objects(dataset)
    )
