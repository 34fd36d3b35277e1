"""Figures against pycocotools, published values and cases worked out by hand."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from coco_sets import STATS, encode, make_set, reference_eval

from tfmask.errors import EvaluationError
from tfmask.evaluation.coco_metrics import evaluate, format_table

FIXTURE = Path(__file__).parents[1] / "data_files" / "coco_eval_fixture"
# val2014_fake_eval_res.txt of the COCO API, in the order of STATS.
PUBLISHED = {
    "mask": ".320 .562 .299 .387 .310 .327 .268 .415 .417 .469 .377 .381",
    "box": ".505 .697 .573 .586 .519 .501 .387 .594 .595 .640 .566 .564",
}


def load(name: str):
    with gzip.open(FIXTURE / f"{name}.json.gz", "rt") as file:
        return json.load(file)


@pytest.mark.parametrize("kind", ["mask", "box"])
def test_published_coco_figures_to_three_decimals(kind):
    word = {"mask": "segm", "box": "bbox"}[kind]
    metrics = evaluate(
        load("instances_val2014_100"),
        load(f"instances_val2014_fake{word}100_results"),
        kinds=(kind,),
        boundary=False,
    )
    for name, published in zip(STATS, PUBLISHED[kind].split(), strict=True):
        assert f"{metrics[f'{kind}/{name}']:.3f}" == f"0{published}", name


@pytest.mark.parametrize("kind", ["mask", "box"])
def test_equals_pycocotools_on_synthetic_sets(synthetic_set, kind):
    truth, results = synthetic_set
    metrics = evaluate(truth, results, boundary=False)
    reference = reference_eval(truth, results, kind)
    for name, expected in zip(STATS, reference.stats, strict=True):
        assert metrics[f"{kind}/{name}"] == pytest.approx(expected, abs=1e-12), name


@pytest.mark.parametrize("kind", ["mask", "box"])
def test_ap_at_each_iou_is_pycocotools(synthetic_set, kind):
    truth, results = synthetic_set
    metrics = evaluate(truth, results, boundary=False)
    precision = reference_eval(truth, results, kind).eval["precision"][..., 0, -1]
    expected = [p[p > -1].mean() if (p > -1).any() else -1 for p in precision]
    found = metrics.per_iou[kind]
    assert list(found) == [f"0.{n}" for n in range(50, 100, 5)]
    np.testing.assert_allclose(list(found.values()), expected, atol=1e-12)
    assert metrics[f"{kind}/AP75"] == found["0.75"]


def test_boundary_ap_equals_faster_coco_eval(synthetic_set):
    faster = pytest.importorskip("faster_coco_eval")
    truth, results = synthetic_set
    if not results or not truth["annotations"]:
        pytest.skip("faster_coco_eval cannot load empty results")
    # It numbers matches by other rules than pycocotools where an annotation has id 0.
    truth = json.loads(json.dumps(truth))
    truth["images"].sort(key=lambda v: v["id"])
    ranks = {image["id"]: i for i, image in enumerate(truth["images"], 1)}
    for image in truth["images"]:
        image["id"] = ranks[image["id"]]
    for number, annotation in enumerate(truth["annotations"], 1):
        annotation["id"] = number
        annotation["image_id"] = ranks[annotation["image_id"]]
    results = [{**r, "image_id": ranks[r["image_id"]]} for r in results]
    metrics = evaluate(truth, results)
    gt = faster.COCO(json.loads(json.dumps(truth)))
    dt = gt.loadRes(json.loads(json.dumps(results)))
    run = faster.COCOeval_faster(gt, dt, "boundary", boundary_dilation_ratio=0.02)
    run.print_function = lambda *_: None
    run.run()
    for name, expected in zip(STATS, run.stats, strict=False):
        assert metrics[f"boundary/{name}"] == pytest.approx(expected, abs=1e-9), name


def test_larger_limit_is_used_for_ap_and_recall():
    truth, results = make_set(5, images=2, objects=40, detections=1500)
    metrics = evaluate(truth, results, max_dets=(1, 10, 400), boundary=False)
    reference = reference_eval(truth, results, "mask", (1, 10, 400)).eval
    precision = reference["precision"][:, :, :, 0, 2]
    recall = reference["recall"][:, :, 0, 2]
    assert metrics["mask/AP"] == pytest.approx(
        precision[precision > -1].mean(), abs=1e-12
    )
    assert metrics["mask/AR400"] == pytest.approx(recall[recall > -1].mean(), abs=1e-12)
    assert metrics["mask/AP"] != evaluate(truth, results, boundary=False)["mask/AP"]
    assert "mask/AR100" not in metrics


def test_per_class_table_equals_pycocotools():
    truth, results = make_set(8)
    metrics = evaluate(truth, results, boundary=False)
    precision = reference_eval(truth, results, "mask").eval["precision"][..., 0, 2]
    for k, row in enumerate(metrics.per_class):
        values = precision[:, :, k][precision[:, :, k] > -1]
        assert row["mask/AP"] == pytest.approx(values.mean(), abs=1e-12)
        assert row["instances"] == sum(
            a["category_id"] == row["id"] and not a["iscrowd"]
            for a in truth["annotations"]
        )
    assert [row["id"] for row in metrics.per_class] == [0, 7, 90]


def test_images_without_results_count_against_recall():
    truth, results = make_set(9)
    first = truth["annotations"][0]["image_id"]
    fewer = [r for r in results if r["image_id"] != first]
    expected = reference_eval(truth, fewer, "box").stats[8]
    figures = evaluate(truth, fewer, boundary=False)
    assert figures["box/AR100"] == pytest.approx(expected, abs=1e-12)


def test_numbers_and_texts_as_image_ids_stay_apart():
    truth, results = one_class_scene([(10, 10, 20, 20)], [(10, 10, 20, 20, 0.9)])
    other = {**truth["images"][0], "id": "1"}
    truth["images"].append(other)
    truth["annotations"].append({**truth["annotations"][0], "id": 50, "image_id": "1"})
    metrics = evaluate(truth, results, boundary=False)
    assert metrics["mask/AR100"] == pytest.approx(0.5)


# --- crowded instances --------------------------------------------------------------


def rectangle(box, size=100):
    x, y, w, h = box
    mask = np.zeros((size, size), bool)
    mask[y : y + h, x : x + w] = True
    return encode(mask)


def one_class_scene(objects, detections, size=100):
    """Rectangles: objects (x, y, w, h), detections (x, y, w, h, score)."""
    truth = {
        "images": [{"id": 1, "height": size, "width": size}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [
            {
                "id": i,
                "image_id": 1,
                "category_id": 1,
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": 0,
                "segmentation": rectangle(box, size),
            }
            for i, box in enumerate(objects, 1)
        ],
    }
    results = [
        {
            "image_id": 1,
            "category_id": 1,
            "bbox": list(box),
            "score": score,
            "segmentation": rectangle(box, size),
        }
        for *box, score in detections
    ]
    return truth, results


PAIR = [(10, 10, 20, 20), (18, 10, 20, 20)]  # IoU 12 / 28 = 0.43
LONER = (60, 60, 20, 20)


def crowded(objects, detections, **options) -> float:
    truth, results = one_class_scene(objects, detections)
    return evaluate(truth, results, boundary=False, **options)["mask/AP_crowded"]


def test_crowded_ap_ignores_a_missed_loner():
    found = [(*PAIR[0], 0.9), (*PAIR[1], 0.8)]
    assert crowded([*PAIR, LONER], found) == pytest.approx(1.0)


def test_crowded_ap_ignores_detections_of_loners():
    found = [(*LONER, 0.99), (*PAIR[0], 0.9), (*PAIR[1], 0.8)]
    assert crowded([*PAIR, LONER], found) == pytest.approx(1.0)


def test_crowded_ap_counts_a_missed_crowded_instance():
    found = [(*LONER, 0.99), (*PAIR[0], 0.9)]
    # Recall one half at precision 1: 51 of the 101 recall points.
    assert crowded([*PAIR, LONER], found) == pytest.approx(51 / 101)


def test_crowded_ap_counts_unmatched_detections_as_false():
    found = [(40, 80, 10, 10, 0.99), (*PAIR[0], 0.9), (*PAIR[1], 0.8)]
    assert crowded([*PAIR, LONER], found) == pytest.approx(2 / 3)


def test_crowded_ap_threshold_decides_who_is_crowded():
    found = [(*PAIR[0], 0.9)]
    assert crowded(PAIR, found, crowded_iou=0.3) == pytest.approx(51 / 101)
    assert crowded(PAIR, found, crowded_iou=0.5) == -1.0


def test_crowded_counts_neighbours_of_other_classes_but_no_crowd_regions():
    truth, results = one_class_scene(PAIR, [(*PAIR[0], 0.9)])
    truth["categories"].append({"id": 2, "name": "other"})
    truth["annotations"][1]["category_id"] = 2
    metrics = evaluate(truth, results, boundary=False)
    assert metrics["mask/AP_crowded"] == pytest.approx(0.5)  # 1 and 0 of two classes
    truth["annotations"][1]["iscrowd"] = 1
    metrics = evaluate(truth, results, boundary=False)
    assert metrics["mask/AP_crowded"] == -1.0


def test_crowded_ap_without_loners_equals_mask_ap():
    found = [(*PAIR[0], 0.9), (20, 12, 20, 20, 0.8), (1, 1, 5, 5, 0.95)]
    truth, results = one_class_scene(PAIR, found)
    metrics = evaluate(truth, results, boundary=False)
    assert metrics["mask/AP_crowded"] == pytest.approx(metrics["mask/AP"], abs=1e-12)


def test_crowded_does_not_change_the_other_figures():
    truth, results = make_set(11, objects=20, detections=40)
    some = evaluate(truth, results, crowded_iou=0.1)
    none = evaluate(truth, results, crowded_iou=0.99)
    assert some["mask/AP_crowded"] != none["mask/AP_crowded"]
    rest = [k for k in some if "crowded" not in k]
    assert [some[k] for k in rest] == [none[k] for k in rest]


# --- masks with a score of their own ------------------------------------------------


def test_mask_score_ranks_masks_and_boundaries_and_score_ranks_boxes():
    # The empty place has the better class score, the object the better mask score.
    found = [(60, 60, 20, 20, 0.9), (10, 10, 20, 20, 0.5)]
    truth, results = one_class_scene([(10, 10, 20, 20)], found)
    plain = evaluate(truth, results)
    for result, rank in zip(results, (0.1, 0.4)):
        result["mask_score"] = rank
    rated = evaluate(truth, results)
    for kind, before, after in (
        ("box", 0.5, 0.5),
        ("mask", 0.5, 1),
        ("boundary", 0.5, 1),
    ):
        assert plain[f"{kind}/AP"] == pytest.approx(before)
        assert rated[f"{kind}/AP"] == pytest.approx(after)


def test_mask_score_in_the_place_of_score_gives_the_same_mask_figures():
    truth, results = make_set(12)
    rng = np.random.default_rng(0)
    rated = [{**r, "mask_score": r["score"] * rng.random()} for r in results]
    moved = [{**r, "score": r["mask_score"]} for r in rated]
    ours, theirs = evaluate(truth, rated), evaluate(truth, moved)
    plain = evaluate(truth, results)
    for name, value in ours.items():
        same = plain if name.startswith("box/") else theirs
        assert value == same[name], name
    assert ours["mask/AP"] != plain["mask/AP"]
    reference = reference_eval(truth, moved, "mask").stats
    assert ours["mask/AP"] == pytest.approx(reference[0], abs=1e-12)


# --- input and output ---------------------------------------------------------------


def test_nothing_is_printed(capfd):
    evaluate(*make_set(1))
    assert capfd.readouterr().out == ""


def test_input_is_not_changed():
    truth, results = make_set(2)
    before = json.dumps([truth, results])
    evaluate(truth, results)
    assert json.dumps([truth, results]) == before


@pytest.mark.parametrize("max_dets", [(), (0, 1), (10, 1), (5, 5)])
def test_unusable_max_dets_are_refused(max_dets):
    with pytest.raises(EvaluationError, match="ascending"):
        evaluate(*make_set(1), max_dets=max_dets)


def test_results_with_boxes_only_give_box_figures_only():
    truth, results = make_set(3)
    results = [{k: v for k, v in r.items() if k != "segmentation"} for r in results]
    metrics = evaluate(truth, results)
    assert "box/AP" in metrics and "mask/AP" not in metrics
    with pytest.raises(EvaluationError, match="segmentation"):
        evaluate(truth, results, kinds=("mask",))


def test_table_shows_all_figures_and_a_dash_for_undefined_ones():
    truth, results = one_class_scene(PAIR, [(*PAIR[0], 0.9)])
    text = format_table(evaluate(truth, results))
    lines = text.splitlines()
    assert lines[0].split() == STATS
    assert [line.split()[0] for line in lines[1:4]] == ["box", "mask", "boundary"]
    assert lines[1].split()[6] == "-"  # no large instances
    assert re.search(r"crowded instances: 0\.505", text)
    assert re.search(r"^thing +2 ", text, re.M)
    (start,) = [i for i, line in enumerate(lines) if line.startswith("AP at IoU")]
    assert lines[start].split()[3:] == [f"0.{n}" for n in range(50, 100, 5)]
    assert lines[start + 2].split()[:2] == ["mask", "0.505"]


def test_metrics_go_through_json():
    metrics = evaluate(*make_set(4))
    read = json.loads(json.dumps(metrics.to_json()))
    assert read["figures"] == dict(metrics)
    assert read["per_iou"]["mask"]["0.50"] == metrics["mask/AP50"]


def test_annotation_id_0_is_noted():
    truth, results = make_set(74, first_annotation=0)
    assert any("Annotation id 0" in note for note in evaluate(truth, results).notes)
