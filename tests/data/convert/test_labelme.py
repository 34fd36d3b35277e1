"""Labelme converted: right masks and classes, each fault by itself."""

import json
from pathlib import Path

import pytest
from two_pictures import (
    BOTH,
    CORNERS,
    HEIGHT,
    NAMES,
    PARTS,
    RING,
    SQUARE,
    WIDTH,
    assert_is,
    convert,
    ellipse_mask,
    png,
    write_images,
)


def labelme_file(folder: Path, name: str, shapes: list, **changes):
    content = {
        "version": "5.4.1",
        "flags": {},
        "shapes": shapes,
        "imagePath": name,
        "imageData": None,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    }
    path = folder / f"{Path(name).stem}.json"
    path.write_text(json.dumps(content | changes))


def shape(label, points, kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind, **more}


def test_labelme(tmp_path):
    folder = tmp_path / "set"
    write_images(folder)
    ring = shape("ring", [[30, 5], [49, 24]], "mask", mask=png(RING[5:25, 30:50]))
    both = [shape("pair", part, group_id=3) for part in BOTH]
    labelme_file(
        folder, NAMES[0], [shape("box", CORNERS), ring, shape("_background_", [])]
    )
    labelme_file(
        folder, NAMES[1], [*both, shape("box", [[24, 16], [4, 6]], "rectangle")]
    )
    dataset, problems, _ = convert("labelme", folder)
    assert not problems and dataset.class_map.names == ("box", "pair", "ring")
    assert_is(dataset, 0, [("box", SQUARE), ("ring", RING)])
    assert_is(dataset, 1, [("pair", PARTS), ("box", SQUARE)])


def test_labelme_circles_and_paths_of_windows(tmp_path):
    write_images(tmp_path / "set" / "pictures")
    (tmp_path / "set" / "json").mkdir()
    circle = shape("disk", [[20, 20], [20, 30]], "circle")
    labelme_file(
        tmp_path / "set" / "json",
        "a.png",
        [circle],
        imagePath=f"..\\pictures\\{NAMES[0]}",
    )
    dataset, problems, content = convert(
        "labelme", tmp_path / "set", folder=tmp_path / "set"
    )
    assert not problems
    assert content["images"][0]["file_name"] == f"pictures/{NAMES[0]}"
    disk = ellipse_mask(20, 20, 10, 10)
    assert_is(dataset, 0, [("disk", disk)], tolerance=12)  # along its border


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (shape("x", [[1, 1], [9, 9]], "line"), "a line has no area"),
        (shape("x", [[1, 1], [9]]), "no list of [x, y]"),
        (shape("", CORNERS), "it has no label"),
        (shape("x", [[1, 1], [2, 2], [3, 3]], "circle"), "a circle of 3 points"),
        (shape("x", [[1, 1], [9, 9]], "mask", mask="?"), "no PNG in base64"),
        (shape("x", [[1, 1], [9, 9]]), "fewer than three points"),
    ],
)
def test_labelme_faults_name_file_and_shape(fault, said, tmp_path):
    folder = tmp_path / "set"
    write_images(folder)
    labelme_file(folder, NAMES[0], [shape("box", CORNERS), fault])
    labelme_file(folder, NAMES[1], [])
    dataset, (problem,), _ = convert("labelme", folder)
    assert said in str(problem) and "a b.json, shape 2" in str(problem)
    assert_is(dataset, 0, [("box", SQUARE)])
    assert len(dataset) == 2  # one without objects stays


def test_labelme_files_that_are_none_are_named(tmp_path):
    folder = tmp_path / "set"
    write_images(folder)
    labelme_file(folder, NAMES[0], [shape("box", CORNERS)])
    (folder / "x.json").write_text("{")
    (folder / "y.json").write_text("{}")
    labelme_file(folder, NAMES[1], [], imageHeight=47)
    _, problems, _ = convert("labelme", folder)
    said = "\n".join(map(str, problems))
    assert "x.json" in said and "y.json" in said and "64 x 47" in said
    assert len(problems) == 3
