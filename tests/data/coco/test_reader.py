import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tfmask.config import DataConfig
from tfmask.data.readers import load_dataset
from tfmask.errors import DataError


def test_labels_follow_the_sorted_category_ids(content, write_set):
    dataset = load_dataset(write_set(content))
    assert dataset.class_map.ids == (0, 90)
    assert dataset.class_map.names == ("disc", "ring")
    np.testing.assert_array_equal(dataset.images[0].labels, [2, 1])


def test_images_keep_the_order_and_ids_of_the_file(content, write_set):
    content["images"][1]["id"] = "seven"
    content["annotations"][2]["image_id"] = "seven"
    dataset = load_dataset(write_set(content))
    assert [r.image_id for r in dataset.images] == [11, "seven", 3]
    assert [len(r.boxes) for r in dataset.images] == [2, 1, 0]
    assert dataset.images[2].file_name == "sub/c.png"


def test_record_has_the_annotated_values_in_our_conventions(content, write_set):
    record = load_dataset(write_set(content)).images[0]
    assert (record.height, record.width) == (40, 60)
    np.testing.assert_array_equal(record.boxes, [[10, 5, 30, 15], [40, 20, 50, 32]])
    assert record.boxes.dtype == np.float32 and record.labels.dtype == np.int32
    np.testing.assert_array_equal(record.areas, [200, 120])
    np.testing.assert_array_equal(record.crowd, [False, False])
    assert record.annotation_ids == (101, 102)
    mask = np.zeros((40, 60), np.uint8)
    mask[20:32, 40:50] = 1
    np.testing.assert_array_equal(record.mask(1), mask)


def test_empty_image_has_empty_arrays_of_the_right_shape(content, write_set):
    record = load_dataset(write_set(content)).images[2]
    assert record.boxes.shape == (0, 4) and record.labels.shape == (0,)
    assert record.segmentations == ()


def test_compressed_string_is_read(content, write_set):
    mask = np.zeros((40, 60), np.uint8, order="F")
    mask[20:32, 40:50] = 1
    counts = coco_mask.encode(mask)["counts"].decode()
    content["annotations"][1]["segmentation"]["counts"] = counts
    record = load_dataset(write_set(content)).images[0]
    np.testing.assert_array_equal(record.mask(1), mask)


def test_missing_iscrowd_means_no_crowd(content, write_set):
    for record in content["annotations"]:
        del record["iscrowd"]
    dataset = load_dataset(write_set(content))
    assert not dataset.problems and not dataset.images[0].crowd.any()


def test_box_is_clipped_to_the_image(content, write_set):
    content["annotations"][0]["bbox"] = [10, -1.5, 20, 16.5]
    content["annotations"][1]["bbox"] = [40, 20, 12, 19.75]
    dataset = load_dataset(write_set(content))
    expected = [[10, 0, 30, 15], [40, 20, 52, 39.75]]
    np.testing.assert_array_equal(dataset.images[0].boxes, expected)
    assert not dataset.problems


def test_box_taken_from_the_mask_fits_it(content, write_set):
    del content["annotations"][1]["bbox"]
    dataset = load_dataset(write_set(content), log=None)
    np.testing.assert_array_equal(dataset.images[0].boxes[1], [40, 20, 50, 32])


def test_images_folder_may_be_given_or_be_that_of_the_file(content, write_set):
    folder = write_set(content)
    path = f"{folder}/annotations.json"
    given = load_dataset(path, f"{folder}/images")
    assert given.source == path and len(given) == 3
    with open(f"{folder}/images/labels.json", "w") as stream:
        json.dump(content, stream)
    assert len(load_dataset(f"{folder}/images/labels.json")) == 3


def test_no_usable_image_is_an_error_that_says_why(content, write_set):
    for record in content["images"]:
        record["file_name"] = "gone.png"
    with pytest.raises(DataError, match="no image is usable.*\n.*image_missing"):
        load_dataset(write_set(content))


def test_strict_lists_the_first_problems_and_counts_the_rest(content, write_set):
    content["annotations"] += [{"id": 200 + i, "image_id": 5} for i in range(9)]
    with pytest.raises(DataError, match="9 faulty records") as caught:
        load_dataset(write_set(content), options=DataConfig(strict=True))
    assert "annotation 200" in str(caught.value)
    assert "and 4 more" in str(caught.value)


def test_what_was_kept_can_be_written_as_coco_and_read_again(
    content, write_set, tmp_path
):
    content["annotations"][0]["segmentation"] = [[1e300] * 6]
    first = load_dataset(write_set(content), log=None)
    cleaned = first.to_coco()
    assert [a["id"] for a in cleaned["annotations"]] == [1, 2]
    path = tmp_path / "set" / "clean.json"
    path.write_text(json.dumps(cleaned))
    second = load_dataset(str(path), options=DataConfig(strict=True))
    assert not second.problems and second.class_map == first.class_map
    for a, b in zip(first.images, second.images, strict=True):
        assert a.image_id == b.image_id
        np.testing.assert_array_equal(a.boxes, b.boxes)
        np.testing.assert_array_equal(a.areas, b.areas)
        for index in range(len(a.boxes)):
            np.testing.assert_array_equal(a.mask(index), b.mask(index))
