"""CVAT converted: right masks and classes, each fault by itself."""

from pathlib import Path

import numpy as np
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
    mask_of,
    write_images,
)

from tfmask.data.convert.convert import convert_dataset
from tfmask.errors import DataError


def cvat_points(outline):
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in outline)


def cvat_rle(crop):
    flat = np.concatenate([[0], crop.ravel(), [2]])
    counts = np.diff(
        np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 0, [crop.size]])
    )
    return ", ".join(map(str, counts))


CVAT_MASK = (
    f'<mask label="ring" rle="{cvat_rle(RING[5:25, 30:50])}" left="30" top="5" '
    'width="20" height="20"/>'
)


def cvat_file(tmp_path, first: str, second: str = "") -> Path:
    write_images(tmp_path / "set" / "images")
    sides = f'width="{WIDTH}" height="{HEIGHT}"'
    images = "".join(
        f'<image id="{i}" name="{name}" {sides}>{shapes}</image>'
        for i, (name, shapes) in enumerate(zip(NAMES, (first, second)))
    )
    labels = "".join(
        f"<label><name>{n}</name></label>" for n in ("ring", "box", "pair")
    )
    path = tmp_path / "set" / "annotations.xml"
    path.write_text(
        f"<annotations><version>1.1</version><meta><task><labels>{labels}</labels></task>"
        f"</meta>{images}</annotations>"
    )
    return path


def test_cvat(tmp_path):
    first = f'<polygon label="box" points="{cvat_points(CORNERS)}"/>{CVAT_MASK}'
    second = "".join(
        f'<polygon label="pair" group_id="2" points="{cvat_points(p)}"/>' for p in BOTH
    )
    second += '<box label="box" xtl="9" ytl="1" xbr="19" ybr="21" rotation="90"/>'
    second += '<ellipse label="ring" cx="30" cy="20" rx="12" ry="8"/><tag label="x"/>'
    path = cvat_file(tmp_path, first, second)
    dataset, problems, _ = convert("cvat", path)
    assert not problems and dataset.class_map.names == ("ring", "box", "pair")
    assert_is(dataset, 0, [("box", SQUARE), ("ring", RING)])
    turned = mask_of((4, 6, 24, 16))
    ellipse = ellipse_mask(30, 20, 12, 8)
    expected = [("pair", PARTS), ("box", turned), ("ring", ellipse)]
    assert_is(dataset, 1, expected, tolerance=12)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ('<polyline label="box" points="1,1;2,2"/>', "has no area"),
        ('<polygon label="box" points="1,1;2"/>', "expected x,y;x,y;x,y"),
        ('<polygon points="1,1;2,2;3,1"/>', "it has no label"),
        ('<ellipse label="box" cx="a" cy="1" rx="1" ry="1"/>', "cx is 'a'"),
        (CVAT_MASK.replace('rle="', 'rle="1, '), "expected the 400 pixels"),
    ],
)
def test_cvat_faults_name_image_and_shape(fault, said, tmp_path):
    good = f'<polygon label="box" points="{cvat_points(CORNERS)}"/>'
    dataset, (problem,), _ = convert("cvat", cvat_file(tmp_path, good + fault))
    assert said in str(problem)
    assert "annotations.xml, image 0 (a b.png), shape 2" in str(problem)
    assert_is(dataset, 0, [("box", SQUARE)])


@pytest.mark.parametrize(
    ("text", "said"), [("<a>", "not usable XML"), ("<a/>", "is a:")]
)
def test_cvat_files_that_are_none_are_refused(text, said, tmp_path):
    path = tmp_path / "x.xml"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        convert_dataset("cvat", str(path), str(tmp_path / "o.json"), log=None)
