"""A split of Cityscapes as a data set: where files are looked for, what is left out."""

import json

import cv2
import numpy as np
import pytest

from tfmask.cli import main
from tfmask.config import DataConfig
from tfmask.data.coco import segmentation as seg
from tfmask.data.loader import ExampleLoader
from tfmask.data.readers import load_dataset
from tfmask.data.synthetic.cityscapes import write_cityscapes
from tfmask.data.validate import validate_dataset
from tfmask.errors import DataError


@pytest.fixture
def root(tmp_path):
    write_cityscapes(tmp_path, "train", 6, seed=1)
    return tmp_path


def load(root, kind="gtFine", split="train", **options):
    path = str(root / kind / split)
    return load_dataset(path, "", DataConfig(**options), log=None)


def annotation(root, index=0, suffix="instanceIds.png"):
    return sorted((root / "gtFine" / "train").glob(f"*/*_{suffix}"))[index]


def test_instances_are_those_of_the_annotation(root):
    dataset = load(root)
    assert dataset.format == "cityscapes" and len(dataset) == 6
    assert dataset.class_map.ids == (24, 25, 26, 27, 28, 31, 32, 33)
    record = dataset.images[0]
    assert record.image_id == "aachen-west_000001_000019"
    assert (record.city, record.split) == ("aachen-west", "train")
    ids = cv2.imread(str(annotation(root)), cv2.IMREAD_UNCHANGED)
    assert record.annotation_ids == tuple(v for v in np.unique(ids) if v >= 24000)
    for i, value in enumerate(record.annotation_ids):
        rows, columns = np.nonzero(ids == value)
        np.testing.assert_array_equal(record.mask(i), ids == value)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert record.boxes[i].tolist() == box and record.areas[i] == len(rows)
        assert dataset.class_map.ids[record.labels[i] - 1] == value // 1000
    groups = [r.crowd[np.array(r.annotation_ids) < 1000] for r in dataset.images]
    assert np.concatenate(groups).all() and sum(map(len, groups)) > 0
    void = seg.decode(record.void, record.height, record.width)
    np.testing.assert_array_equal(void, np.isin(ids, [1, 3, 9]))


def test_images_and_annotations_lead_to_each_other(root, tmp_path):
    first = load(root)
    second = load(root, "leftImg8bit")
    apart = tmp_path / "elsewhere"
    (root / "leftImg8bit" / "train").rename(apart)
    third = load_dataset(str(root / "gtFine/train"), str(apart), log=None)
    for one in (second, third):
        assert one.to_coco() == first.to_coco()


def test_polygons_are_read_where_there_is_no_png(root):
    by_png = load(root).to_coco()
    for path in (root / "gtFine/train").glob("*/*.png"):
        path.unlink()
    assert load(root).to_coco() == by_png and len(by_png["annotations"]) > 10


def test_images_of_the_test_split_need_no_annotation(tmp_path):
    write_cityscapes(tmp_path, "test", 3)
    assert load(tmp_path, "leftImg8bit", "test").num_annotations == 0
    for path in (tmp_path / "gtFine/test").glob("*/*"):
        path.unlink()
    dataset = load(tmp_path, "leftImg8bit", "test")
    assert len(dataset) == 3 and dataset.images[0].void is None


def test_faulty_images_are_left_out_and_named_with_their_files(root):
    annotation(root, 0).write_bytes(b"no image")
    annotation(root, 1).unlink()
    annotation(root, 1, "polygons.json").unlink()
    cut = annotation(root, 1)  # the third
    cv2.imwrite(str(cut), cv2.imread(str(cut), cv2.IMREAD_UNCHANGED)[:-1])
    lonely = (
        root / "leftImg8bit/train/bielefeld/bielefeld_000000_000019_leftImg8bit.png"
    )
    lonely.unlink()
    problems, unusable = validate_dataset(str(root / "gtFine/train"))
    said = {p.image_id: str(p) for p in problems}
    assert len(said) == 4 and not unusable
    assert (
        "aachen-west_000001_000019_gtFine_instanceIds.png"
        in said["aachen-west_000001_000019"]
    )
    assert "there is neither" in said["aachen-west_000003_000019"]
    assert "expected the same" in said["aachen-west_000005_000019"]
    assert "there is no image for it" in said["bielefeld_000000_000019"]
    dataset = load(root)
    assert len(dataset) == 2 and dataset.images_left_out == 4
    with pytest.raises(DataError, match="4 faulty records"):
        load(root, strict=True)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("gtFine/nowhere", "no such folder"),
        ("leftImg8bit", "there is no image: expected CITY/CITY_000000_000000"),
    ],
)
def test_a_folder_that_is_no_split_is_refused(path, said, root):
    with pytest.raises(DataError, match=said):
        load_dataset(str(root / path), "", DataConfig(format="cityscapes"), log=None)


def test_a_path_without_the_names_of_cityscapes_is_refused(tmp_path):
    with pytest.raises(DataError, match="expected a split of Cityscapes"):
        load_dataset(str(tmp_path), "", DataConfig(format="cityscapes"), log=None)


def test_examples_are_trained_on_and_groups_are_crowds(root):
    dataset = load_dataset(str(root / "gtFine/train"), training=True, log=None)
    config = DataConfig(short_side=(64,), max_side=128, mask_resolution=28)
    loader = ExampleLoader(dataset, config, True, 0)
    examples = [loader.example(i) for i in range(len(dataset))]
    assert sum(e["crowd"].sum() for e in examples) == sum(
        r.crowd.sum() for r in dataset.images
    )
    assert max(e["labels"].max() for e in examples) == 8


def test_convert_dataset_writes_what_is_read(root, tmp_path, capsys):
    output = tmp_path / "cityscapes.json"
    source = str(root / "gtFine/train")
    assert main(["convert-dataset", "cityscapes", source, "--output", str(output)]) == 0
    assert f"data.train_images={root}/leftImg8bit/train" in capsys.readouterr().out
    written = json.loads(output.read_text(encoding="utf-8"))
    assert [c["name"] for c in written["categories"]][2] == "car"
    again = load_dataset(str(output), str(root / "leftImg8bit/train"), log=None)
    assert again.to_coco() == load(root).to_coco() and again.format == "coco"
