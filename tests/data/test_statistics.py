"""Statistics of a data set, against counts by hand."""

import numpy as np
import pytest

from tfmask.data.coco import segmentation
from tfmask.data.dataset import Dataset, ImageRecord
from tfmask.data.statistics import format_statistics, statistics
from tfmask.structures import ClassMap


def record(image_id, boxes, labels, crowd=()) -> ImageRecord:
    boxes = np.float32(boxes).reshape(-1, 4)
    outlines = [[x1, y1, x2, y1, x2, y2, x1, y2] for x1, y1, x2, y2 in boxes.tolist()]
    return ImageRecord(
        image_id=image_id,
        path="",
        file_name=f"{image_id}.png",
        width=400,
        height=200,
        boxes=boxes,
        labels=np.int32(labels),
        crowd=np.isin(np.arange(len(labels)), crowd),
        areas=np.float64((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])),
        annotation_ids=(None,) * len(labels),
        segmentations=tuple(segmentation.parse([o], 200, 400)[0] for o in outlines),
    )


@pytest.fixture
def figures():
    images = [
        # The first two overlap with an IoU of 1/3, the third lies apart.
        record(1, [[0, 0, 20, 20], [10, 0, 30, 20], [100, 50, 200, 150]], [1, 2, 1]),
        # Both the same, with a crowd region that covers them.
        record(2, [[0, 0, 40, 20], [0, 0, 40, 20], [0, 0, 99, 99]], [2, 2, 2], [2]),
        record(3, [], []),
    ]
    dataset = Dataset(
        path="p",
        source="p",
        image_folder="",
        class_map=ClassMap((4, 9, 11), ("nut", "date", "fig")),
        images=images,
    )
    return statistics(dataset)


def test_counts(figures):
    assert figures["images"] == 3 and figures["images_without_instances"] == 1
    assert figures["instances"] == 5 and figures["regions_to_ignore"] == 1
    assert figures["instances_per_image"]["mean"] == pytest.approx(5 / 3)
    assert figures["instances_per_image"]["median"] == 2
    assert figures["sizes"] == {"small": 4, "medium": 0, "large": 1}
    assert figures["width_by_height"]["most"] == 2
    assert figures["root_of_area"]["least"] == 20


def test_overlaps_are_of_pairs_of_boxes_without_crowds(figures):
    overlaps = figures["overlaps"]
    assert overlaps["0.3"] == {"pairs_per_image": 2 / 3, "instances": 4}
    assert overlaps["0.5"] == {"pairs_per_image": 1 / 3, "instances": 2}


def test_classes_count_images_and_instances(figures):
    nut, date, fig = figures["per_class"]
    assert nut["images"] == 1 and nut["instances"] == 2 and nut["large"] == 1
    assert date["images"] == 2 and date["instances"] == 3 and date["small"] == 3
    assert fig == {
        "id": 11,
        "name": "fig",
        "images": 0,
        "instances": 0,
        "small": 0,
        "medium": 0,
        "large": 0,
    }


def test_the_text_says_the_same(figures):
    text = format_statistics(figures)
    assert "3 images, 1 of them without instances; 5 instances of 3 classes" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    assert rows["date"] == ["9", "2", "3", "3", "0", "0"]
    assert rows["all"] == ["2", "5", "4", "0", "1"]
    assert "80.0%" in text  # of the instances above 0.3
    assert len({len(line) for line in text.splitlines()[-4:]}) == 1


def test_nothing_to_count_is_said_without_a_fault():
    empty = Dataset(
        path="p",
        source="p",
        image_folder="",
        class_map=ClassMap((1,), ("nut",)),
        images=[record(1, [], [])],
    )
    figures = statistics(empty)
    assert figures["sizes"] == {"small": 0, "medium": 0, "large": 0}
    assert figures["width_by_height"] == {}
    assert "0 instances" in format_statistics(figures)
