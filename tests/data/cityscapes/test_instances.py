"""What an annotation of Cityscapes holds, and what is wrong with a damaged one."""

import json

import cv2
import numpy as np
import pytest
from official_packages import cityscapes_ids

from tfmask.data.cityscapes.instances import draw_polygons, find_regions, read_png
from tfmask.data.coco import segmentation as seg
from tfmask.data.synthetic.cityscapes import write_cityscapes
from tfmask.errors import DataError

# Two persons, a group of persons, a caravan; ego vehicle beside out of roi; road.
IDS = np.array(
    [
        [24000, 24000, 7, 24, 24, 26000],
        [24000, 24001, 7, 24, 7, 26000],
        [7, 24001, 24001, 7, 29000, 29000],
        [1, 1, 3, 3, 7, 24],
    ],
    np.uint16,
)


def test_instances_groups_and_void_of_an_image_by_hand():
    regions = find_regions(IDS, "x.png")
    assert regions.instance_ids == [24, 24000, 24001, 26000]
    assert regions.label_ids == [24, 24, 24, 26]
    assert regions.groups == [True, False, False, False]
    for value, mask in zip(regions.instance_ids, regions.masks):
        np.testing.assert_array_equal(seg.decode(mask, 4, 6), IDS == value)
    # Not the single caravan: its pixels have an instance id, which is not void.
    np.testing.assert_array_equal(seg.decode(regions.void, 4, 6), np.isin(IDS, [1, 3]))


@pytest.mark.parametrize("seed", range(3))
def test_masks_are_those_of_comparing_every_pixel(seed):
    values = np.array([0, 3, 7, 24, 24000, 25001, 33002, 29000])
    ids = np.random.default_rng(seed).choice(values, (13, 17))
    ids = cv2.resize(ids.astype(np.float32), (17, 40), interpolation=0).astype(int)
    regions = find_regions(ids, "x.png")
    assert regions.instance_ids == [24, 24000, 25001, 33002]
    for value, mask in zip(regions.instance_ids, regions.masks):
        np.testing.assert_array_equal(seg.decode(mask, *ids.shape), ids == value)
        assert mask.counts.sum() == ids.size and (mask.counts[1:] > 0).all()
    void = seg.decode(regions.void, *ids.shape)
    np.testing.assert_array_equal(void, np.isin(ids, [0, 3]))
    assert (regions.void.counts[1:] > 0).all()


def test_an_image_of_road_has_nothing_in_it():
    regions = find_regions(np.full((3, 4), 7, np.uint16), "x.png")
    assert regions.masks == [] and regions.void is None


def test_polygons_are_drawn_as_the_scripts_draw_them(tmp_path, monkeypatch):
    folder = write_cityscapes(tmp_path, "val", 6, seed=3, encoding="polygons")
    files = sorted(folder.glob("*/*.json"))
    assert len(files) == 6
    for file in files:
        theirs = cityscapes_ids(str(file), monkeypatch)
        np.testing.assert_array_equal(draw_polygons(str(file)), theirs)


def write(tmp_path, *objects, **fields) -> str:
    path = tmp_path / "a_gtFine_polygons.json"
    content = {"imgHeight": 20, "imgWidth": 30, "objects": list(objects)} | fields
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def box(label, x1, y1, x2, y2, **fields) -> dict:
    return {
        "label": label,
        "polygon": [[x1, y1], [x2, y1], [x2, y2], [x1, y2]],
        **fields,
    }


def test_later_objects_hide_earlier_ones_and_groups_have_the_id_of_their_class(
    tmp_path,
):
    path = write(
        tmp_path,
        box("road", 0, 0, 29, 19),
        box("car", 0, 0, 9, 9),
        box("car", 5, 5, 14, 14),
        box("cargroup", 20, 0, 25, 5),
        box("bus", 0, 15, 3, 19, deleted=1),
        box("license plate", 1, 1, 2, 2),
        box("polegroup", 28, 10, 29, 19),
    )
    ids = draw_polygons(path)
    assert ids.shape == (20, 30) and ids.dtype == np.int32
    assert (ids[4, 4], ids[7, 7], ids[3, 22], ids[17, 1]) == (26000, 26001, 26, 7)
    assert ids[1, 1] == 26000 and ids[12, 29] == 18


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ([box("cat", 0, 0, 5, 5)], "object 1 has the label 'cat'"),
        ([box("catgroup", 0, 0, 5, 5)], "object 1 has the label 'catgroup'"),
        ([box("car", 0, 0, 5, 5), 7], "object 2 is no object"),
        ([{"label": "car"}], r"object 1 \(car\): its polygon is no list"),
        ([{"label": "car", "polygon": [[1, 2]]}], "its polygon is no list"),
        ([{"label": "car", "polygon": [[1, 2], [3]]}], "its polygon is no list"),
        ([{"label": "car", "polygon": [[1, 2], [3, 1e9]]}], "in pixels"),
        ([{"label": "car", "polygon": [[1, 2], [3, float("nan")]]}], "in pixels"),
    ],
)
def test_a_faulty_object_is_named_with_its_file(objects, said, tmp_path):
    path = write(tmp_path, *objects)
    with pytest.raises(DataError, match=said) as raised:
        draw_polygons(path)
    assert str(raised.value).startswith(path)


@pytest.mark.parametrize(
    "fields", [{"imgHeight": 0}, {"imgWidth": "9"}, {"objects": 1}]
)
def test_a_polygon_file_without_its_fields_is_refused(fields, tmp_path):
    path = write(tmp_path, **fields)
    with pytest.raises(DataError, match="expected imgHeight and imgWidth"):
        draw_polygons(path)


def test_what_is_no_json_or_no_png_is_refused_by_name(tmp_path):
    path = tmp_path / "a_gtFine_polygons.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="not JSON") as raised:
        draw_polygons(str(path))
    assert str(path) in str(raised.value)
    path = tmp_path / "a_gtFine_instanceIds.png"
    cv2.imwrite(str(path), IDS)
    np.testing.assert_array_equal(read_png(str(path)), IDS)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="a_gtFine_instanceIds.png"):
        read_png(str(path))


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((4, 6), np.uint8), "1 channels of 8 bits"),
        (np.zeros((4, 6, 3), np.uint16), "3 channels of 16 bits"),
    ],
)
def test_a_png_of_something_else_is_refused(pixels, said, tmp_path):
    path = tmp_path / "a_gtFine_instanceIds.png"
    cv2.imwrite(str(path), pixels)
    with pytest.raises(DataError, match=f"has {said}: expected instance ids"):
        read_png(str(path))


@pytest.mark.parametrize("value", [34, 999, 7001, 34000, 60000])
def test_ids_that_cityscapes_does_not_have_are_refused(value):
    ids = IDS.copy()
    ids[0, 0] = value
    with pytest.raises(DataError, match=rf"x\.png: holds ids .*\({value}\)"):
        find_regions(ids, "x.png")
