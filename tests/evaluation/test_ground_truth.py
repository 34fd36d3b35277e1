"""Ground truth from data sets and files, and what is refused."""

import json

import cv2
import numpy as np
import pytest
from coco_sets import STATS, encode, make_set, reference_eval

from tfmask.data.convert.convert import convert_dataset
from tfmask.data.readers import load_dataset
from tfmask.errors import EvaluationError
from tfmask.evaluation.coco_metrics import evaluate
from tfmask.evaluation.ground_truth import build_ground_truth


def write_folder(folder, truth):
    """The set as a folder that `load_dataset` reads, with black images."""
    (folder / "images").mkdir()
    for image in truth["images"]:
        image["file_name"] = f"{image['file_name']}.png"
        pixels = np.zeros((image["height"], image["width"], 3), np.uint8)
        cv2.imwrite(str(folder / "images" / image["file_name"]), pixels)
    (folder / "annotations.json").write_text(json.dumps(truth))
    return str(folder)


@pytest.mark.parametrize("options", [{"seed": 1}, {"seed": 3, "string_ids": True}])
def test_a_good_data_set_gives_the_figures_of_its_file(tmp_path, options):
    truth, results = make_set(**options)
    dataset = load_dataset(write_folder(tmp_path, truth))
    assert not [p for p in dataset.problems if p.severity == "error"]
    metrics = evaluate(dataset, results)
    for kind in ("box", "mask"):
        expected = reference_eval(truth, results, kind).stats
        for name, value in zip(STATS, expected, strict=True):
            assert metrics[f"{kind}/{name}"] == pytest.approx(value, abs=1e-12), name
    assert dict(evaluate(dataset.source, results)) == dict(metrics)


def test_records_that_were_left_out_do_not_count(tmp_path):
    truth, results = make_set(2)
    good = json.loads(json.dumps(truth))
    for number, outline in enumerate(
        ([[float("nan")] * 6], [[1e30, 0, 5, 0, 5, 5]], {"size": [3, 3], "counts": "1"})
    ):
        bad = {**truth["annotations"][0], "id": 9000 + number, "segmentation": outline}
        truth["annotations"].append(bad)
    dataset = load_dataset(write_folder(tmp_path, truth), log=None)
    assert dict(evaluate(dataset, results)) == dict(evaluate(good, results))


def rectangles(written) -> dict:
    """Two images of three rectangles, 40 to 60 pixels long, two of them overlapping."""
    truth = {"images": [], "annotations": [], "categories": [{"id": 3, "name": "box"}]}
    boxes = [(5, 8, 55, 50), (15, 8, 65, 50), (80, 45, 130, 95)]
    for image_id in (1, 2):
        truth["images"].append(
            {"id": image_id, "file_name": f"{image_id}", "height": 100, "width": 140}
        )
        for x1, y1, x2, y2 in boxes:
            annotation = {
                "id": len(truth["annotations"]) + 1,
                "image_id": image_id,
                "category_id": 3,
                "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
            }
            truth["annotations"].append(annotation | written(x1, y1, x2, y2))
    return truth


def beyond(x1, y1, x2, y2):
    """The last rectangle goes on beyond the image, the annotation with it."""
    if x2 < 130:
        return {}
    outline = [x1, y1, 2 * x2, y1, 2 * x2, y2, x1, y2]
    return {
        "segmentation": [outline],
        "bbox": [x1, y1, 2 * x2 - x1, y2 - y1],
        "area": (2 * x2 - x1) * (y2 - y1),
    }


# Faults with finite numbers that the reader mends.
MENDED = {
    "nothing": lambda *box: {},
    "corner boxes": lambda *box: {"bbox": list(box)},
    "one corner box": lambda *box: {"bbox": list(box)} if box[0] == 5 else {},
    "box elsewhere": lambda *box: {"bbox": [120, 2, 6, 6]} if box[0] == 80 else {},
    "box beyond the border": lambda x1, y1, x2, y2: {
        "bbox": [x1, y1, x2 - x1 if x2 < 130 else 200, y2 - y1]
    },
    "object beyond the border": beyond,
    "box too large": lambda *box: {"bbox": [0, 0, 140, 100]},
    "box a point": lambda x1, y1, *_: {"bbox": [x1, y1, 1, 1]},
    "box without extent": lambda x1, y1, *_: {"bbox": [x1, y1, 0, 0]},
    "area 0": lambda *_: {"area": 0},
    "area negative": lambda *_: {"area": -5.0},
    "box elsewhere, area of the world": lambda *_: {
        "bbox": [120, 2, 6, 6],
        "area": 1e9,
    },
}


@pytest.mark.parametrize("form", ["coco", "tfrecord"])
@pytest.mark.parametrize("name", MENDED)
def test_a_perfect_detector_is_perfect_whatever_the_reader_mended(name, form, tmp_path):
    """Results that equal what was loaded get 1 in every figure that is defined."""
    folder = write_folder(tmp_path, rectangles(MENDED[name]))
    if form == "tfrecord":
        shards = f"{tmp_path / 'records'}@1"
        convert_dataset("coco", folder, shards, target="tfrecord", log=None)
        folder = shards
    dataset = load_dataset(folder, log=None)
    results = []
    for record in dataset.images:
        for i, (x1, y1, x2, y2) in enumerate(record.boxes.tolist()):
            results.append(
                {
                    "image_id": record.image_id,
                    "category_id": 3,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": 0.9,
                    "segmentation": encode(record.mask(i)),
                }
            )
    figures = evaluate(dataset, results, max_dets=(1, 3, 100))
    for figure, value in figures.items():
        if not figure.endswith("AR1"):  # one detection cannot find three objects
            assert value in (1.0, -1.0), figure
    assert figures["box/AP"] == figures["mask/AP"] == figures["boundary/AP"] == 1
    assert figures["box/APm"] == 1 and figures["box/APs"] == -1
    assert figures["mask/AP_crowded"] == 1


def test_a_loaded_data_set_is_not_read_again(tmp_path):
    dataset = load_dataset(write_folder(tmp_path, rectangles(MENDED["nothing"])))
    (tmp_path / "annotations.json").unlink()
    assert evaluate(dataset, [])["box/AP"] == 0


def test_annotations_of_lvis_are_said_to_be_judged_by_other_rules(tmp_path):
    truth = rectangles(MENDED["nothing"])
    assert not evaluate(truth, []).notes[1:]
    for image in truth["images"]:
        image["neg_category_ids"] = []
    dataset = load_dataset(write_folder(tmp_path, truth))
    for source in (truth, dataset):
        assert any("LVIS" in note for note in evaluate(source, []).notes)


def test_more_objects_than_counted_detections_are_said():
    truth = rectangles(MENDED["nothing"])
    (note,) = (n for n in evaluate(truth, [], max_dets=(1, 2)).notes if "hold" in n)
    assert "2 of 2 images hold more than 2 objects, up to 3" in note
    assert not any("hold more" in n for n in evaluate(truth, [], max_dets=(3,)).notes)


def test_missing_annotation_ids_are_numbered():
    truth, results = make_set(6)
    expected = dict(evaluate(truth, results))
    for annotation in truth["annotations"]:
        annotation["id"] = f"a{annotation['id']}"
    assert dict(evaluate(truth, results)) == expected


def test_missing_areas_crowd_flags_and_boxes_are_filled_in():
    truth, results = make_set(7, crowd=0)
    expected = dict(evaluate(truth, results))
    for annotation in truth["annotations"]:
        del annotation["iscrowd"], annotation["area"], annotation["bbox"]
    figures = dict(evaluate(truth, results))
    assert figures == pytest.approx(expected, abs=1e-12)


def test_ids_go_there_and_back():
    truth, _ = make_set(8, string_ids=True)
    built = build_ground_truth(truth)
    assert sorted(built.image_ids) == sorted(i["id"] for i in truth["images"])
    assert built.category_ids == (0, 7, 90)
    for annotation, original in zip(
        built.coco.dataset["annotations"], truth["annotations"], strict=True
    ):
        assert built.image_ids[annotation["image_id"] - 1] == original["image_id"]
        label = annotation["category_id"]
        assert built.category_ids[label - 1] == original["category_id"]


def broken(change):
    truth, _ = make_set(1, crowd=0)
    change(truth)
    return truth


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.pop("images"), "images"),
        (lambda t: t.update(annotations=None), "annotations"),
        (lambda t: t["images"][0].pop("height"), "height"),
        (lambda t: t["images"][0].update(width=0), "width"),
        (lambda t: t["images"].append(t["images"][0]), "image id"),
        (lambda t: t["categories"].append(t["categories"][0]), "category id"),
        (lambda t: t["annotations"].append(5), "object"),
        (lambda t: t["annotations"][0].update(image_id=-4), "image_id"),
        (lambda t: t["annotations"][0].update(category_id=4), "category_id"),
        (lambda t: t["annotations"][0].update(bbox=[0, 0, float("nan"), 1]), "bbox"),
        (lambda t: t["annotations"][0].update(area="big"), "area"),
        (lambda t: t["annotations"][0].update(segmentation=[[0, 0, 1, 1]]), "polygon"),
        (
            lambda t: t["annotations"][0].update(
                segmentation=[[0, 0, float("inf"), 0, 4, 4]]
            ),
            "finite",
        ),
        (
            lambda t: t["annotations"][0].update(
                segmentation={"size": [1, 1], "counts": "1"}
            ),
            "size",
        ),
    ],
)
def test_malformed_annotations_are_refused_with_a_sentence(change, word):
    with pytest.raises(EvaluationError, match=word):
        build_ground_truth(broken(change))


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(EvaluationError, match=r"absent\.json"):
        build_ground_truth(tmp_path / "absent.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(EvaluationError, match=r"list\.json"):
        build_ground_truth(tmp_path / "list.json")
