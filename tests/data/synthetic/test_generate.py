import filecmp
import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_utils

from tfmask.config import DataConfig
from tfmask.data.readers import load_dataset
from tfmask.data.synthetic.generate import (
    CATEGORY_IDS,
    draw_scene,
    polygons,
    write_dataset,
)
from tfmask.data.synthetic.shapes import CLASSES, coverage, outline
from tfmask.data.validate import validate_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("shapes")
    write_dataset(path, 60, seed=0, size=128)
    return path


@pytest.fixture(scope="module")
def annotations(folder):
    return json.loads((folder / "annotations.json").read_text())["annotations"]


def test_validator_finds_nothing(folder):
    assert validate_dataset(str(folder)).problems == []


def test_same_arguments_give_the_same_bytes(folder, tmp_path):
    write_dataset(tmp_path, 5, seed=0, size=128)
    names = [p.name for p in (tmp_path / "images").iterdir()]
    assert len(names) == 5
    same, *others = filecmp.cmpfiles(
        folder / "images", tmp_path / "images", names, shallow=False
    )
    assert others == [[], []]


def test_other_seeds_give_other_images():
    first, second = (draw_scene(np.random.default_rng((s, 0)), 96) for s in (0, 1))
    assert not np.array_equal(first.image, second.image)


def test_every_form_of_annotation_is_there(annotations):
    forms = set()
    for annotation in annotations:
        outline_ = annotation["segmentation"]
        if isinstance(outline_, list):
            forms.add("polygons" if len(outline_) > 1 else "polygon")
        else:
            forms.add(type(outline_["counts"]).__name__)
            assert isinstance(outline_["counts"], list) == bool(annotation["iscrowd"])
    assert forms == {"polygon", "polygons", "str", "list"}


def test_every_class_crowds_empty_images_small_and_large(folder, annotations):
    dataset = load_dataset(str(folder), options=DataConfig(strict=True))
    assert dataset.class_map.ids == CATEGORY_IDS
    assert {a["category_id"] for a in annotations} == set(CATEGORY_IDS)
    assert any(a["iscrowd"] for a in annotations)
    assert any(len(image.boxes) == 0 for image in dataset.images)
    areas = [a["area"] for a in annotations if not a["iscrowd"]]
    assert min(areas) < 100
    assert max(areas) > 2500


def test_stored_masks_are_the_visible_pixels(folder):
    dataset = load_dataset(str(folder))
    for index in range(15):
        scene = draw_scene(np.random.default_rng((0, index)), 128)
        record = dataset.images[index]
        assert len(scene.masks) == len(record.boxes)
        for i, mask in enumerate(scene.masks):
            stored = record.mask(i) > 0
            union = (stored | mask).sum()
            assert (stored & mask).sum() >= 0.93 * union


def test_no_pixel_has_two_owners():
    for index in range(20):
        scene = draw_scene(np.random.default_rng((5, index)), 128)
        if scene.masks:
            assert np.sum(scene.masks, axis=0).max() == 1


def test_objects_hide_parts_of_each_other(annotations):
    by_image: dict = {}
    for annotation in annotations:
        if not annotation["iscrowd"]:
            by_image.setdefault(annotation["image_id"], []).append(annotation["bbox"])
    touching = 0
    for boxes in by_image.values():
        overlaps = np.triu(mask_utils.iou(boxes, boxes, [0] * len(boxes)), 1)
        touching += int((overlaps > 0).sum())
    assert touching > len(annotations) / 2


@pytest.mark.parametrize("name", CLASSES)
def test_coverage_is_the_area_of_the_shape(name):
    window, cover = coverage(name, (40.3, 45.7), 30.0, 0.8, 0.7, 90, 80)
    x, y = outline(name).T
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    if name == "ring":
        area *= 1 - 0.5**2
    # OpenCV fills the pixels under the outline as well, an eighth of a pixel more.
    assert cover.sum() == pytest.approx(area * 30.0 * 30.0 * 0.8, rel=0.04)
    assert cover.shape == (window[0].stop - window[0].start,) + (
        window[1].stop - window[1].start,
    )


def test_shape_at_the_border_is_cut():
    window, cover = coverage("disk", (2.0, 3.0), 10.0, 1.0, 0.0, 50, 40)
    assert (window[0].start, window[1].start) == (0, 0)
    assert 0 < cover.sum() < np.pi * 100


def test_polygons_of_two_parts():
    mask = np.zeros((20, 30), bool)
    mask[2:8, 3:9] = mask[10:19, 20:29] = True
    outlines, has_hole = polygons(mask)
    assert len(outlines) == 2
    assert not has_hole
    code = mask_utils.merge(mask_utils.frPyObjects(outlines, 20, 30))
    assert (mask_utils.decode(code) == mask).mean() > 0.98


def test_a_hole_is_noticed():
    mask = np.zeros((20, 20), bool)
    mask[3:17, 3:17] = True
    mask[8:12, 8:12] = False
    assert polygons(mask)[1]


def test_colour_says_nothing_about_the_class(folder, annotations):
    """The mean colour over all objects of a class is about the same for every class."""
    dataset = load_dataset(str(folder))
    sums = {label: [] for label in range(1, len(CLASSES) + 1)}
    for record in dataset.images:
        image = cv2.imread(record.path)
        for i, label in enumerate(record.labels):
            if not record.crowd[i]:
                sums[label].append(image[record.mask(i) > 0].mean(0))
    spread = np.concatenate(list(sums.values())).std(0)
    means = np.array([np.mean(values, 0) for values in sums.values()])
    assert (means.std(0) < 0.5 * spread).all()
