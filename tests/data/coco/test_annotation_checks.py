"""Boxes and areas: how they are read, when mended, and what metrics get of them."""

import numpy as np
import pytest

from tfmask.data.readers import load_dataset

# In an image of 40 x 60: (x1, y1, x2, y2) of rectangles.
NEAR_ORIGIN, MIDDLE, FAR = (2, 3, 22, 18), (15, 12, 45, 30), (40, 20, 58, 38)


def rectangles(content, boxes, written) -> None:
    """Makes the rectangles the only annotations, their boxes as `written` has them."""
    content["annotations"] = [
        {
            "id": number,
            "image_id": 11,
            "category_id": 90,
            "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
            "bbox": written(x1, y1, x2, y2),
            "area": (x2 - x1) * (y2 - y1),
        }
        for number, (x1, y1, x2, y2) in enumerate(boxes, 1)
    ]


def sized(x1, y1, x2, y2):
    return [x1, y1, x2 - x1, y2 - y1]


def corners(*box):
    return list(box)


def first_record(content, write_set, name="set"):
    return load_dataset(write_set(content, name), log=None).images[0]


def test_corner_boxes_are_decided_for_the_whole_file(content, write_set):
    boxes = [NEAR_ORIGIN, MIDDLE, FAR]
    rectangles(content, boxes, corners)
    dataset = load_dataset(write_set(content), log=None)
    np.testing.assert_array_equal(dataset.images[0].boxes, boxes)
    np.testing.assert_array_equal(
        dataset.images[0].metric_boxes(), [sized(*box) for box in boxes]
    )
    (problem,) = dataset.problems
    assert (problem.kind, problem.annotation_id) == ("bbox_corners", None)


def test_usual_boxes_near_the_origin_are_not_taken_for_corners(content, write_set):
    boxes = [NEAR_ORIGIN, (0, 0, 20, 20), (1, 1, 30, 30)]
    rectangles(content, boxes, sized)
    dataset = load_dataset(write_set(content), log=None)
    np.testing.assert_array_equal(dataset.images[0].boxes, boxes)
    assert not dataset.problems


@pytest.mark.parametrize(("most", "rest"), [(corners, sized), (sized, corners)])
def test_a_box_unlike_the_files_others_is_the_masks_own(most, rest, content, write_set):
    boxes = [MIDDLE, FAR, (20, 20, 50, 39), NEAR_ORIGIN]
    rectangles(content, boxes, most)
    content["annotations"][1]["bbox"] = rest(*FAR)
    dataset = load_dataset(write_set(content), log=None)
    np.testing.assert_array_equal(dataset.images[0].boxes, boxes)
    of_records = [p.annotation_id for p in dataset.problems if p.annotation_id]
    assert of_records == [2]


# --- objects over the border ----------------------------------------------------------

OVER = {
    "right": (40, 10, 110, 30),
    "left": (-30, 10, 20, 30),
    "top and bottom": (10, -50, 30, 70),
    "corner": (45, 25, 90, 70),
}


@pytest.mark.parametrize("name", OVER)
def test_objects_over_the_border_are_clipped_without_a_word(name, content, write_set):
    rectangles(content, [OVER[name]], sized)
    dataset = load_dataset(write_set(content), log=None)
    x1, y1, x2, y2 = np.clip(OVER[name], 0, [60, 40, 60, 40])
    record = dataset.images[0]
    np.testing.assert_array_equal(record.boxes, [[x1, y1, x2, y2]])
    np.testing.assert_array_equal(record.metric_boxes(), [[x1, y1, x2 - x1, y2 - y1]])
    assert record.areas.tolist() == [record.mask(0).sum()]
    assert not dataset.problems


def test_a_box_that_leaves_the_image_alone_is_said(content, write_set):
    rectangles(content, [(40, 10, 60, 30)], lambda *_: [40, 10, 60, 20])
    dataset = load_dataset(write_set(content), log=None)
    np.testing.assert_array_equal(dataset.images[0].metric_boxes(), [[40, 10, 20, 20]])
    (problem,) = dataset.problems
    assert problem.kind == "bbox_outside" and "its mask does not" in problem.message


def test_rounding_beyond_the_border_is_no_mending(content, write_set):
    rectangles(content, [(10, 10, 60, 30)], lambda *_: [10, 10, 50.02, 20])
    record = first_record(content, write_set)
    np.testing.assert_array_equal(record.metric_boxes(), [[10, 10, 50.02, 20]])
    assert record.boxes[0, 2] == 60 and record.areas.tolist() == [1000]


# --- areas ----------------------------------------------------------------------------


def test_the_annotated_area_stays_unless_the_box_was_mended(content, write_set):
    rectangles(content, [MIDDLE, FAR], sized)
    for record in content["annotations"]:
        record["area"] = 7.5
    assert first_record(content, write_set).areas.tolist() == [7.5, 7.5]
    content["annotations"][0]["bbox"] = [0, 0, 1, 1]
    assert first_record(content, write_set, "mended").areas.tolist() == [540, 7.5]
