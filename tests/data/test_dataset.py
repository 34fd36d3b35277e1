"""Records by themselves: what metrics take of them, parts of them, their JSON form."""

import dataclasses

import numpy as np

from tfmask.config import DataConfig
from tfmask.data.readers import load_dataset


def loaded(content, write_set):
    return load_dataset(write_set(content), options=DataConfig(), log=None)


def test_metrics_take_the_boxes_as_annotated_or_else_those_of_training(
    content, write_set
):
    content["annotations"][0]["bbox"] = [10.123456789, 5, 20, 10]
    record = loaded(content, write_set).images[0]
    assert record.metric_boxes()[0, 0] == 10.123456789  # float32 would lose digits
    plain = dataclasses.replace(record, annotated_boxes=None)
    np.testing.assert_allclose(plain.metric_boxes()[1], [40, 20, 10, 12])
    assert plain.metric_boxes().dtype == np.float64


def test_a_selection_keeps_all_fields_of_an_instance_together(content, write_set):
    record = loaded(content, write_set).images[0]
    chosen = record.select(np.array([False, True]))
    assert chosen.annotation_ids == (102,) and chosen.labels.tolist() == [1]
    np.testing.assert_array_equal(chosen.boxes, [[40, 20, 50, 32]])
    np.testing.assert_array_equal(chosen.metric_boxes(), [[40, 20, 10, 12]])
    assert chosen.mask(0).sum() == 120 and chosen.areas.tolist() == [120]
    assert record.select(np.zeros(2, bool)).boxes.shape == (0, 4)


def test_images_can_be_taken_out(content, write_set):
    dataset = loaded(content, write_set)
    assert dataset.without_images([]) is dataset
    rest = dataset.without_images({0, 2})
    assert [r.image_id for r in rest.images] == [7] and len(dataset) == 3


def test_objects_are_counted_without_regions_to_ignore(content, write_set):
    content["annotations"][0]["iscrowd"] = 1
    dataset = loaded(content, write_set)
    assert (dataset.num_annotations, dataset.num_objects) == (3, 2)


def test_fields_of_lvis_go_there_and_back(content, write_set, tmp_path):
    for image in content["images"]:
        image["neg_category_ids"] = [90]
        image["not_exhaustive_category_ids"] = [0, 12345]  # 12345: no category
    content["categories"][0]["frequency"] = "r"
    content["categories"][1]["frequency"] = "f"
    dataset = loaded(content, write_set)
    assert dataset.is_federated and dataset.class_frequencies == ("f", "r")
    record = dataset.images[0]
    assert record.negative_labels == {2} and record.not_exhaustive_labels == {1}
    written = dataset.to_coco()
    assert written["images"][0]["neg_category_ids"] == [90]
    assert written["images"][0]["not_exhaustive_category_ids"] == [0]
    assert [c["frequency"] for c in written["categories"]] == ["f", "r"]


def test_plain_coco_has_none_of_the_fields_of_lvis(content, write_set):
    dataset = loaded(content, write_set)
    assert not dataset.is_federated and dataset.class_frequencies == ()
    written = dataset.to_coco()
    assert set(written["images"][0]) == {"id", "file_name", "width", "height"}
    assert set(written["categories"][0]) == {"id", "name"}
