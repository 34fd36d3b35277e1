"""Lists of images without annotations."""

import json

import pytest

from tfmask.config import DataConfig
from tfmask.data.coco.image_list import listed_paths, read_image_list
from tfmask.data.synthetic.generate import write_dataset
from tfmask.errors import DataError


@pytest.fixture
def listed(tmp_path):
    path = write_dataset(tmp_path, 3, seed=0, size=64)
    content = json.loads(path.read_text())
    del content["annotations"], content["categories"]
    path = tmp_path / "list.json"
    path.write_text(json.dumps(content))
    return path


def test_a_list_is_a_data_set_without_instances(listed):
    dataset = read_image_list(str(listed), "", DataConfig())
    assert [r.image_id for r in dataset.images] == [1, 2, 3]
    assert dataset.num_annotations == 0 and dataset.class_map.ids == ()
    assert not dataset.problems and dataset.images[0].width == 64


def test_the_annotations_of_an_instances_file_are_passed_over(tmp_path):
    write_dataset(tmp_path, 3, seed=0, size=64)
    dataset = read_image_list(str(tmp_path), "", DataConfig())
    assert len(dataset) == 3 and dataset.num_annotations == 0
    assert dataset.class_map.ids == (1, 2, 9, 30)


def test_the_paths_of_a_list_lead_to_the_ids(listed, tmp_path):
    content = json.loads(listed.read_text())
    content["images"] += [{"id": 7, "file_name": "../x.png"}, {"file_name": "y.png"}, 3]
    listed.write_text(json.dumps(content))
    folder = tmp_path / "images"
    assert listed_paths(str(listed)) == {f"{folder}/0000{i}.jpg": i for i in (1, 2, 3)}


@pytest.mark.parametrize("text", ["[]", '{"images": []}', '{"annotations": []}'])
def test_what_is_no_list_of_images_is_refused(text, tmp_path):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match="images"):
        read_image_list(str(path), "", DataConfig())
