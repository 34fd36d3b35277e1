"""Pascal VOC converted: right masks and classes, each fault by itself."""

import numpy as np
import pytest
from PIL import Image
from two_pictures import (
    HEIGHT,
    NAMES,
    PARTS,
    RING,
    SQUARE,
    WIDTH,
    assert_is,
    convert,
    write_images,
)


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
