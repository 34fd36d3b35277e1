"""YOLO converted: right masks and classes, each fault by itself."""

import pytest
from two_pictures import (
    CORNERS,
    HEIGHT,
    SQUARE,
    WIDTH,
    assert_is,
    convert,
    write_images,
)

from tfmask.data.convert.yolo import parse_names


def yolo_line(key, *outlines):
    numbers = [
        v for outline in outlines for x, y in outline for v in (x / WIDTH, y / HEIGHT)
    ]
    return " ".join([str(key), *(f"{v:.6f}" for v in numbers)])


@pytest.fixture
def yolo(tmp_path):
    root = tmp_path / "set"
    write_images(root / "images" / "train")
    (root / "labels" / "train").mkdir(parents=True)
    (root / "data.yaml").write_text(
        "path: .\nnames:\n  0: date\n  1: 'a: nut'\nnc: 2\n"
    )
    (root / "labels" / "train" / "a b.txt").write_text(yolo_line(1, CORNERS) + "\n\n")
    return root


def test_yolo(yolo):
    dataset, problems, content = convert("yolo", yolo, yolo / "images")
    assert not problems and dataset.class_map.names == ("date", "a: nut")
    assert_is(dataset, 0, [("a: nut", SQUARE)])
    assert_is(dataset, 1, [])  # an image without a label file
    assert content["images"][0]["file_name"] == "train/a b.png"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 0.5 0.5 0.2 0.2", "a box without an outline"),
        ("0 0.5 0.5 0.2 0.2 0.1", "has 5 numbers"),
        ("2 0.1 0.1 0.2 0.1 0.2 0.2", "expected a number from 0 to 1"),
        ("0 10 10 20 10 20 20", "expected shares"),
        ("0 0.1 x 0.2 0.1 0.2 0.2", "something else than numbers"),
        ("0 nan 0.1 0.2 0.1 0.2 0.2", "expected shares"),
    ],
)
def test_yolo_faults_name_file_and_line(line, said, yolo):
    path = yolo / "labels" / "train" / "a b.txt"
    path.write_text(f"{line}\n{yolo_line(1, CORNERS)}")
    dataset, (problem,), _ = convert("yolo", yolo, yolo / "images")
    assert said in str(problem) and "train/a b.txt, line 1" in str(problem)
    assert_is(dataset, 0, [("a: nut", SQUARE)])


def test_yolo_labels_without_an_image_are_named(yolo):
    (yolo / "labels" / "d.txt").write_text("")
    _, (problem,), _ = convert("yolo", yolo, yolo / "images")
    assert "d.txt" in str(problem) and "no image d.*" in str(problem)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("nc: 2\nnames: ['a', \"b, c\"]\n", ("a", "b, c")),
        ("names: [a,\n  b]  # two\ntrain: x\n", ("a", "b")),
        ("names:\n- a\n- b # c\ntrain: x", ("a", "b")),
        ("names:\n  - a\n\n  - 'it''s'\n", ("a", "it's")),
        ("names:\n  0: a\n  1: b c\n", ("a", "b c")),
        ("names: {0: a, 1: b}\n", ("a", "b")),
        ("nc: 3\n", ()),
    ],
)
def test_names_of_yaml_files(text, names):
    assert parse_names(text) == dict(enumerate(names))
