"""The formats that are only converted: right masks and classes, each fault by itself.

Two pictures hold the same things in every format: a square 20 x 10 at (4, 6), a ring (a
square with a hole) at (30, 5), and on the second picture one thing of two parts.
"""

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tfmask.data.convert.convert import convert_dataset
from tfmask.data.convert.label_studio import unpack
from tfmask.data.convert.yolo import parse_names
from tfmask.data.readers import load_dataset
from tfmask.errors import DataError

HEIGHT, WIDTH = 48, 64
NAMES = ("a b.png", "c.png")  # a blank, as on users' disks


def mask_of(*windows) -> np.ndarray:
    """Union of windows (x1, y1, x2, y2), a fifth value 0 cuts out."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for x1, y1, x2, y2, *value in windows:
        mask[y1:y2, x1:x2] = value[0] if value else 1
    return mask


SQUARE = mask_of((4, 6, 24, 16))
RING = mask_of((30, 5, 50, 25), (36, 10, 44, 20, 0))
PARTS = mask_of((2, 2, 12, 12), (40, 30, 50, 40))
CORNERS = [[4, 6], [24, 6], [24, 16], [4, 16]]
BOTH = [[[2, 2], [12, 2], [12, 12], [2, 12]], [[40, 30], [50, 30], [50, 40], [40, 40]]]


def write_images(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for value, name in enumerate(NAMES):
        image = np.full((HEIGHT, WIDTH, 3), 60 + value, np.uint8)
        Image.fromarray(image).save(folder / name)


def convert(name: str, source: Path, images: Path | str = "", folder=None):
    """The converted set as training reads it, and the problems by their lines."""
    output = source.parent / "converted.json"
    problems = convert_dataset(
        name, str(source), str(output), images=str(images), log=None
    )
    content = json.loads(output.read_text())
    folder = folder or images or next(p.parent for p in source.parent.rglob(NAMES[0]))
    return load_dataset(str(output), str(folder), log=None), problems, content


def assert_is(dataset, image: int, expected: list, tolerance: int = 0):
    """The instances of an image: (class name, mask) in their order."""
    record = dataset.images[image]
    names = [dataset.class_map.names[k - 1] for k in record.labels]
    assert names == [name for name, _ in expected]
    for index, (_, mask) in enumerate(expected):
        assert (record.mask(index) != mask).sum() <= tolerance
    assert not record.crowd.any()


def png(mask: np.ndarray) -> str:
    return base64.b64encode(cv2.imencode(".png", mask * 255)[1].tobytes()).decode()


def ellipse_mask(cx, cy, rx, ry) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1).astype(np.uint8)


# --- Pascal VOC -------------------------------------------------------------------


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / "VOC2012"
    write_images(root / "JPEGImages")
    objects = [SQUARE * 1 + RING * 2, PARTS * 1]
    objects[0][5, 24:29] = 255  # border: of no instance
    kinds = [SQUARE * 15 + RING * 7, PARTS * 20]
    for name, ours, kind in zip(NAMES, objects, kinds):
        for folder, values in (
            ("SegmentationObject", ours),
            ("SegmentationClass", kind),
        ):
            (root / folder).mkdir(exist_ok=True)
            image = Image.fromarray(values.astype(np.uint8), "L").convert("P")
            image.putdata(values.ravel().tolist())
            image.save(root / folder / name)
    return root


def test_voc(voc):
    dataset, problems, content = convert("voc", voc)
    assert not problems
    assert_is(dataset, 0, [("person", SQUARE), ("car", RING)])
    assert_is(dataset, 1, [("tvmonitor", PARTS)])
    assert dataset.class_map.names[14] == "person" and dataset.class_map.ids[14] == 15
    assert [i["file_name"] for i in content["images"]] == list(NAMES)


def test_voc_takes_the_images_of_a_list(voc):
    split = voc / "ImageSets" / "Segmentation" / "val.txt"
    split.parent.mkdir(parents=True)
    split.write_text("c\nnot there\n")
    dataset, (problem,), _ = convert("voc", split, voc / "JPEGImages")
    assert len(dataset) == 1 and dataset.images[0].file_name == "c.png"
    assert "SegmentationObject/not there is not there" in str(problem)


def test_voc_in_colours_with_a_label_map(voc):
    colours = {1: (10, 20, 30), 2: (40, 0, 0), 15: (0, 0, 9), 7: (0, 200, 0)}
    for folder in ("SegmentationObject", "SegmentationClass"):
        for name in NAMES:
            path = voc / folder / name
            values = np.asarray(Image.open(path))
            image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            for value, colour in {**colours, 20: (0, 200, 0)}.items():
                image[values == value] = colour
            image[values == 255] = (224, 224, 192)
            Image.fromarray(image).save(path)
    (voc / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nnut:0,0,9::\n"
        "date:0,200,0::\n"
    )
    dataset, problems, _ = convert("voc", voc)
    assert not problems and dataset.class_map.names == ("nut", "date")
    assert_is(dataset, 0, [("nut", SQUARE), ("date", RING)])
    assert_is(dataset, 1, [("date", PARTS)])


@pytest.mark.parametrize(
    ("value", "kind"), [(0, "unknown_category"), (21, "unknown_category")]
)
def test_voc_objects_without_a_known_class_are_named(value, kind, voc):
    path = voc / "SegmentationClass" / NAMES[0]
    values = np.asarray(Image.open(path)).copy()
    values[RING > 0] = value
    Image.fromarray(values).save(path)
    dataset, (problem,), _ = convert("voc", voc)
    assert problem.kind == kind and "a b.png, object 2 (value 2)" in str(problem)
    assert_is(dataset, 0, [("person", SQUARE)])


# --- labelme ----------------------------------------------------------------------


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


# --- YOLO -------------------------------------------------------------------------


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


# --- CVAT -------------------------------------------------------------------------


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


# --- Label Studio -----------------------------------------------------------------


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


# --- VIA --------------------------------------------------------------------------


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
