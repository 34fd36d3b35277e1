"""Label Studio converted: right masks and classes, each fault by itself."""

import json
from pathlib import Path

import numpy as np
import pytest
from two_pictures import (
    CORNERS,
    HEIGHT,
    RING,
    SQUARE,
    WIDTH,
    assert_is,
    convert,
    ellipse_mask,
    write_images,
)

from tfmask.data.convert.convert import convert_dataset
from tfmask.data.convert.label_studio import unpack
from tfmask.errors import DataError


def pack(values: np.ndarray) -> list[int]:
    """rle-pack's code: a packet for each run; every third short one value by value."""
    bits = (
        f"{len(values):032b}"
        + f"{7:05b}"
        + "".join(f"{s - 1:04b}" for s in (3, 4, 8, 16))
    )
    edges = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values)]])
    for number, (start, stop) in enumerate(zip(edges[:-1], edges[1:])):
        count = int(stop - start)
        choice = next(k for k, s in enumerate((3, 4, 8, 16)) if count <= 1 << s)
        literal = number % 3 == 2 and count < 9
        bits += "01"[not literal] + f"{choice:02b}"
        bits += f"{count - 1:0{(3, 4, 8, 16)[choice]}b}"
        bits += f"{int(values[start]):08b}" * (count if literal else 1)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def region(kind, labels, value, **more):
    return {
        "id": f"r{kind}",
        "type": kind,
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "image_rotation": 0,
        "value": {**value, kind: labels},
        **more,
    }


def percent(outline):
    return [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in outline]


def brush(mask):
    rgba = np.repeat((mask * 255)[..., None], 4, 2)
    return region("brushlabels", ["ring"], {"format": "rle", "rle": pack(rgba.ravel())})


def label_studio_file(tmp_path, first: list, second=()) -> Path:
    write_images(tmp_path / "set" / "images")
    addresses = ("/data/upload/1/0a1b2c3d-a%20b.png", "/data/local-files/?d=x/c.png")
    tasks = [
        {
            "id": 11 + i,
            "data": {"image": address},
            "annotations": [
                {"was_cancelled": True, "result": [{}]},
                {"was_cancelled": False, "result": list(regions)},
            ],
        }
        for i, (address, regions) in enumerate(zip(addresses, (first, second)))
    ]
    path = tmp_path / "set" / "export.json"
    path.write_text(json.dumps(tasks))
    return path


def test_label_studio(tmp_path):
    ellipse = {
        "x": 50,
        "y": 50,
        "radiusX": 100 * 12 / WIDTH,
        "radiusY": 100 * 8 / HEIGHT,
    }
    polygon = region("polygonlabels", ["box"], {"points": percent(CORNERS)})
    box = {"x": 100 * 24 / WIDTH, "y": 100 * 6 / HEIGHT, "width": 100 * 10 / WIDTH}
    box |= {"height": 100 * 20 / HEIGHT, "rotation": 90}  # about its first corner
    path = label_studio_file(
        tmp_path,
        [polygon, brush(RING)],
        [
            region("ellipselabels", ["disk"], ellipse),
            region("rectanglelabels", ["box"], box),
        ],
    )
    dataset, problems, _ = convert("label_studio", path)
    assert not problems
    assert_is(dataset, 0, [("box", SQUARE), ("ring", RING)])
    expected = [("disk", ellipse_mask(32, 24, 12, 8)), ("box", SQUARE)]
    assert_is(dataset, 1, expected, tolerance=12)


def test_label_studio_labels_in_an_entry_of_their_own(tmp_path):
    plain = region("polygon", [], {"points": percent(CORNERS)}, id="q")
    plain["value"].pop("polygon")
    label = {"id": "q", "type": "labels", "value": {"labels": ["nut"]}}
    dataset, problems, _ = convert(
        "label_studio", label_studio_file(tmp_path, [plain, label])
    )
    assert not problems
    assert_is(dataset, 0, [("nut", SQUARE)])


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (region("keypointlabels", ["x"], {"x": 1, "y": 2}), "has no area"),
        (region("polygonlabels", [], {"points": percent(CORNERS)}), "it has no label"),
        (region("polygonlabels", ["x"], {"points": [[1]]}), "finite numbers"),
        (
            region(
                "polygonlabels", ["x"], {"points": percent(CORNERS)}, image_rotation=90
            ),
            "turned by 90 degrees",
        ),
        (region("brushlabels", ["x"], {"rle": pack(np.zeros(40))}), "has 40 values"),
        (
            region("brushlabels", ["x"], {"rle": brush(RING)["value"]["rle"][:20]}),
            "early",
        ),
        (region("brushlabels", ["x"], {"rle": [1, "a"]}), "no list of bytes"),
    ],
)
def test_label_studio_faults_name_task_and_region(fault, said, tmp_path):
    good = region("polygonlabels", ["box"], {"points": percent(CORNERS)}, id="good")
    path = label_studio_file(tmp_path, [good, fault])
    dataset, (problem,), _ = convert("label_studio", path)
    assert said in str(problem) and "export.json, task 11, region 2" in str(problem)
    assert_is(dataset, 0, [("box", SQUARE)])


def test_label_studio_json_min_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"image": "a.png", "label": []}]))
    with pytest.raises(DataError, match="not JSON-MIN"):
        convert_dataset("label_studio", str(path), str(tmp_path / "o.json"), log=None)


@pytest.mark.parametrize("seed", range(5))
def test_unpack_undoes_pack(seed):
    rng = np.random.default_rng(seed)
    values = np.repeat(rng.integers(0, 256, 60), rng.integers(1, 700, 60)).astype(
        np.uint8
    )
    np.testing.assert_array_equal(unpack(pack(values)), values)
