"""Kinds of mistakes on a data set where each is known by construction."""

import numpy as np
import pytest
from coco_sets import encode, make_set

from tfmask.evaluation.coco_metrics import evaluate
from tfmask.evaluation.mistakes import KINDS, analyse


def square(x, y, side=20):
    mask = np.zeros((200, 200), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def annotation(key, x, y, category=1, crowd=0):
    return {
        "id": key,
        "image_id": 5,
        "category_id": category,
        "bbox": [x, y, 20, 20],
        "area": 400,
        "iscrowd": crowd,
        "segmentation": encode(square(x, y)),
    }


def found(x, y, score, category=1):
    box = {"bbox": [x, y, 20, 20], "segmentation": encode(square(x, y))}
    return {"image_id": 5, "category_id": category, "score": score, **box}


TRUTH = {
    "images": [{"id": 5, "height": 200, "width": 200}],
    "categories": [{"id": 1, "name": "a"}, {"id": 4, "name": "b"}],
    "annotations": [
        annotation(1, 0, 0),
        annotation(2, 40, 0),
        annotation(3, 80, 0),
        annotation(4, 120, 0, 4),
        annotation(5, 0, 160, 4),
        annotation(6, 160, 160, 1, 1),
    ],
}
RIGHT = found(0, 0, 0.9)
CASES = {
    "classification": found(40, 0, 0.8, 4),
    "localisation": found(92, 0, 0.8),  # IoU 8 / 32
    "both": found(132, 0, 0.8),  # IoU 0.25 with a b
    "duplicate": found(1, 0, 0.8),
    "background": found(100, 100, 0.8),
}


def mistakes(results, threshold=0.5, kind="mask"):
    return analyse(evaluate(TRUTH, results).runs[kind], threshold)


@pytest.mark.parametrize("kind", ["mask", "box"])
@pytest.mark.parametrize("name", CASES)
def test_each_kind_by_itself(name, kind):
    report = mistakes([RIGHT, CASES[name]], kind=kind)
    missed = 4 - (name in ("classification", "localisation"))
    expected = dict.fromkeys(KINDS, 0) | {name: 1, "missed": missed}
    assert report.counts == expected
    (image,) = report.images
    assert image.right == {1: 1} and image.wrong == {2: name}
    assert image.missed == [2, 3, 4, 5]
    assert image.quality == pytest.approx(1 / (1 + 0.5 * (1 + 4)))


def test_detections_on_a_crowd_region_are_neither_right_nor_wrong():
    (image,) = mistakes([RIGHT, found(160, 160, 0.7)]).images
    assert image.wrong == {} and image.ignored == [2]


def test_what_scores_below_the_threshold_is_not_counted():
    low = [r | {"score": 0.3} for r in CASES.values()]
    report = mistakes([RIGHT, *low])
    assert sum(report.counts.values()) == report.counts["missed"] == 4
    assert mistakes([RIGHT, *low], 0.1).counts["background"] == 1


def test_gains_are_those_worked_out_by_hand():
    """Class a: 3 objects, b: 2. The true detection of a has rank 2 behind a false one:
    precision 1/2 up to recall 1/3, that is 34 of 101 recalls."""
    report = mistakes([RIGHT, found(100, 100, 0.95)])
    plain = 34 * 0.5 / 101 / 2
    assert report.gains["background"] == pytest.approx(34 / 101 / 2 - plain)
    # Without the objects that nothing is near: of a one is left, of b none.
    assert report.gains["missed"] == pytest.approx(0.5 - plain)
    assert report.gains["duplicate"] == 0
    # A detection with the wrong class becomes a right one of that class.
    report = mistakes([RIGHT, CASES["classification"]])
    before = 34 / 101 / 2  # b: only a false detection
    assert report.gains["classification"] == pytest.approx(67 / 101 / 2 - before)


def test_confusion_counts_every_object_once():
    results = [RIGHT, CASES["classification"], CASES["background"], found(120, 0, 0.7)]
    table = mistakes(results).confusion
    #                       a  b  not found
    expected = np.array([[1, 1, 1], [1, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(table, expected)


# By seed of `make_set`: numbers and AP50 gains of the boxes, in the order of KINDS, as
# tidecv 1.0.1 (the authors' program) gives them.
TIDE = {
    0: (
        [38, 15, 9, 5, 47, 10],
        [0.141581, 0.104099, 0.009339, 0.00037, 0.035203, 0.025936],
    ),
    1: (
        [45, 31, 15, 9, 59, 8],
        [0.13118, 0.081467, 0.007469, 0.001326, 0.042602, 0.01838],
    ),
}


@pytest.mark.parametrize("seed", TIDE)
def test_numbers_and_gains_are_those_of_the_authors_program(seed):
    truth, results = make_set(seed, images=12, objects=8, detections=25, crowd=0.0)
    report = analyse(evaluate(truth, results, kinds=("box",)).runs["box"], 0.0)
    counts, gains = TIDE[seed]
    assert report.counts == dict(zip(KINDS, counts))
    np.testing.assert_allclose(list(report.gains.values()), gains, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_random_sets_add_up(seed):
    truth, results = make_set(seed, images=8, detections=20)
    figures = evaluate(truth, results)
    report = analyse(figures.runs["mask"], 0.0)
    instances = sum(not a["iscrowd"] for a in truth["annotations"])
    assert report.confusion[:-1].sum() == instances
    assert report.confusion[:, :-1].sum() <= len(results)
    total = sum(len(i.right) + len(i.wrong) + len(i.ignored) for i in report.images)
    assert total == len(results)
    assert sum(len(i.right) + len(i.missed) for i in report.images) == instances
    assert min(report.gains.values()) >= -1e-12
    assert max(report.gains.values()) <= 1 - figures["mask/AP50"] + 1e-12


def test_an_image_with_nothing_has_no_quality():
    assert (
        analyse(evaluate({**TRUTH, "annotations": []}, []).runs["box"])
        .images[0]
        .quality
        is None
    )
