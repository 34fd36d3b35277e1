"""VIA converted: right masks and classes, each fault by itself."""

import json
from pathlib import Path

import pytest
from two_pictures import (
    CORNERS,
    NAMES,
    SQUARE,
    assert_is,
    convert,
    ellipse_mask,
    write_images,
)

from tfmask.data.convert.convert import convert_dataset
from tfmask.errors import DataError


def via_polygon(*outlines, **attributes):
    points = [p for outline in outlines for p in outline]
    xs, ys = ([p[k] for p in points] for k in range(2))
    shape = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
    return {"shape_attributes": shape, "region_attributes": attributes}


def via_file(tmp_path, first, second, project=False) -> Path:
    write_images(tmp_path / "set")
    content = {
        f"{name}123": {"filename": name, "size": 123, "regions": regions}
        for name, regions in zip(NAMES, (first, second))
    }
    if project:
        content = {"_via_settings": {}, "_via_img_metadata": content}
    path = tmp_path / "set" / "via.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("version", [1, 2])
def test_via(version, tmp_path):
    shape = {"name": "ellipse", "cx": 30, "cy": 20, "rx": 12, "ry": 8, "theta": 0}
    ellipse = {"shape_attributes": shape, "region_attributes": {"kind": {"disk": True}}}
    rect = {"name": "rect", "x": 4, "y": 6, "width": 20, "height": 10}
    first = [via_polygon(CORNERS, kind="box"), ellipse]
    second = [{"shape_attributes": rect, "region_attributes": {"kind": "box", "x": ""}}]
    if version == 1:
        first, second = (
            {str(i): r for i, r in enumerate(rs)} for rs in (first, second)
        )
    path = via_file(tmp_path, first, second, project=version == 2)
    dataset, problems, _ = convert("via", path)
    assert not problems and dataset.class_map.names == ("box", "disk")
    expected = [("box", SQUARE), ("disk", ellipse_mask(30, 20, 12, 8))]
    assert_is(dataset, 0, expected, tolerance=12)
    assert_is(dataset, 1, [("box", SQUARE)])


def test_via_without_attributes_has_one_class(tmp_path):
    path = via_file(tmp_path, [via_polygon(CORNERS)], [])
    dataset, (problem,), _ = convert("via", path)
    assert problem.severity == "warning" and "class 'object'" in str(problem)
    assert_is(dataset, 0, [("object", SQUARE)])


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (via_polygon(CORNERS, other="x"), "has no 'kind'"),
        (via_polygon(CORNERS, kind={"a": True, "b": True}), "2 boxes ticked"),
        (
            {
                "shape_attributes": {"name": "point", "cx": 1, "cy": 2},
                "region_attributes": {"kind": "x"},
            },
            "a point has no area",
        ),
        (
            {
                "shape_attributes": {"name": "polygon", "all_points_x": [1, 2]},
                "region_attributes": {"kind": "x"},
            },
            "no lists of as many numbers",
        ),
    ],
)
def test_via_faults_name_file_and_region(fault, said, tmp_path):
    good = via_polygon(CORNERS, kind="box")
    path = via_file(tmp_path, [good, fault], [good])
    dataset, (problem,), _ = convert("via", path)
    assert said in str(problem) and "via.json, a b.png, region 1" in str(problem)
    assert_is(dataset, 0, [("box", SQUARE)])


def test_via_3_is_refused_by_name(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"project": {}, "metadata": {}, "file": {}}))
    with pytest.raises(DataError, match="VIA 3"):
        convert_dataset("via", str(path), str(tmp_path / "o.json"), log=None)
