"""Files of LVIS: known by their fields, read by their addresses."""

import json

import numpy as np
import pytest

from tfmask.config import DataConfig
from tfmask.data.loader import ExampleLoader
from tfmask.data.readers import load_dataset
from tfmask.data.recognise import is_coco, is_lvis
from tfmask.data.synthetic.generate import write_dataset
from tfmask.data.synthetic.lvis import write_lvis
from tfmask.errors import DataError


@pytest.fixture
def path(tmp_path):
    return write_lvis(tmp_path / "lvis", 8, seed=2)


def change(path, function):
    content = json.loads(path.read_text(encoding="utf-8"))
    function(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_file_is_known_by_its_fields(path, tmp_path):
    other = write_dataset(tmp_path / "coco", 1)
    assert is_lvis(str(path)) and is_lvis(str(path.parent)) and is_coco(str(path))
    assert not is_lvis(str(other)) and is_coco(str(other))
    (tmp_path / "empty.json").write_bytes(b"")
    assert not is_lvis(str(tmp_path / "empty.json"))
    assert not is_lvis(str(tmp_path / "none.json"))
    assert load_dataset(str(path), log=None).format == "lvis"
    plain = load_dataset(str(path), "", DataConfig(format="coco"), log=None)
    assert plain.format == "coco" and plain.is_federated


def test_federated_fields_are_labels(path):
    dataset = load_dataset(str(path.parent), log=None)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert not dataset.problems and len(dataset) == 8
    assert dataset.class_map.num_classes == 12
    assert set(dataset.class_frequencies) == {"r", "c", "f"}
    for record, image in zip(dataset.images, content["images"]):
        assert "file_name" not in image
        assert image["coco_url"].endswith(record.file_name)
        assert sorted(record.negative_labels) == image["neg_category_ids"]
        partial = image["not_exhaustive_category_ids"]
        assert sorted(record.not_exhaustive_labels) == partial
        assert not record.negative_labels & set(record.labels.tolist())
    assert any(r.not_exhaustive_labels for r in dataset.images)


def test_a_file_of_coco_is_refused_as_lvis(tmp_path):
    other = write_dataset(tmp_path, 1)
    with pytest.raises(DataError, match="neg_category_ids: expected a file of LVIS"):
        load_dataset(str(other), "", DataConfig(format="lvis"), log=None)


def test_classes_without_a_frequency_are_said_and_have_no_figures_of_their_own(path):
    change(path, lambda content: content["categories"][0].pop("frequency"))
    dataset = load_dataset(str(path), log=None)
    assert dataset.format == "lvis" and dataset.class_frequencies == ()
    assert "APr, APc and APf are not defined" in str(dataset.problems[0])


def test_an_image_without_the_fields_is_named(path):
    change(path, lambda content: content["images"][1].pop("neg_category_ids"))
    dataset = load_dataset(str(path), log=None)
    assert dataset.images[1].negative_labels == frozenset()
    assert ["image 2: 1 of 8" in str(p) for p in dataset.problems] == [True]


def test_images_with_rare_classes_come_oftener(path):
    dataset = load_dataset(str(path), training=True, log=None)
    config = DataConfig(short_side=(64,), max_side=96, repeat_threshold=1.0)
    loader = ExampleLoader(dataset, config, True, 5, batch_size=2)
    labels = [set(r.labels.tolist()) for r in dataset.images]
    share = {k: np.mean([k in kinds for kinds in labels]) for k in range(1, 13)}
    factors = [max([share[k] ** -0.5 for k in kinds], default=1) for kinds in labels]
    size = round(sum(factors))
    assert loader.epoch_size == size > len(dataset)
    drawn = [loader.image_index(i) for i in range(200 * size)]
    counts = np.bincount(drawn, minlength=8) / 200
    np.testing.assert_allclose(
        counts, np.array(factors) * size / sum(factors), atol=0.1
    )
    again = ExampleLoader(dataset, config, True, 5, batch_size=2)
    assert [again.image_index(i) for i in (777, 3, 90)] == [
        drawn[i] for i in (777, 3, 90)
    ]
    plain = ExampleLoader(dataset, config, False, 5)
    assert plain.epoch_size == 8 and plain.image_index(3) == 3
