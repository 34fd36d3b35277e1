"""AP of images drawn anew, against pycocotools on a data set with these images."""

import numpy as np
import pytest
from coco_sets import SETS, make_set, reference_eval

from tfmask.evaluation import bootstrap
from tfmask.evaluation.bootstrap import ResampledPrecision, draws, intervals, paired
from tfmask.evaluation.coco_metrics import evaluate


def metrics(truth, results, **options):
    return evaluate(truth, results, **options)


def test_every_image_once_gives_pycocotools_figures(synthetic_set):
    truth, results = synthetic_set
    found = metrics(truth, results)
    for kind, run in found.runs.items():
        precision = ResampledPrecision(run)
        table = precision.table(np.ones((1, precision.images), int))
        for name, value in precision.figures(table).items():
            expected = found[f"{kind}/{name}"]
            np.testing.assert_allclose(np.nan_to_num(value[0], nan=-1), expected, 1e-12)


def repeated(truth, results, weights):
    """The data set in which image i comes weights[i] times, under new ids."""
    out = {**truth, "images": [], "annotations": []}
    found = []
    order = sorted(truth["images"], key=lambda v: v["id"])
    for image, weight in zip(order, weights):
        for _ in range(weight):
            key = len(out["images"]) + 1
            out["images"].append({**image, "id": key})
            for a in truth["annotations"]:
                if a["image_id"] == image["id"]:
                    number = len(out["annotations"]) + 1
                    out["annotations"].append({**a, "id": number, "image_id": key})
            found += [
                {**r, "image_id": key} for r in results if r["image_id"] == image["id"]
            ]
    return out, found


@pytest.mark.parametrize("seed", range(4))
def test_a_draw_is_the_data_set_of_the_images_drawn(seed):
    """Copies of an image rank the same, so that precision between them differs: only
    what comes first of several equal scores does, by less than a point of AP."""
    truth, results = make_set(**SETS["plain_1"] | {"images": 8, "detections": 30})
    weights = draws(8, 1, seed)
    precision = ResampledPrecision(metrics(truth, results).runs["box"])
    value = precision.figures(precision.table(weights))["AP"][0]
    subset = (weights > 0).astype(int)
    exact = precision.figures(precision.table(subset))["AP"][0]
    kept = reference_eval(*repeated(truth, results, subset[0]), "box").stats[0]
    np.testing.assert_allclose(exact, kept, atol=1e-12)
    copies = reference_eval(*repeated(truth, results, weights[0]), "box").stats[0]
    np.testing.assert_allclose(value, copies, atol=0.01)


def test_draws_at_once_are_those_one_by_one(monkeypatch):
    truth, results = make_set(**SETS["plain_2"])
    precision = ResampledPrecision(metrics(truth, results).runs["mask"])
    weights = draws(precision.images, 40)
    assert (weights.sum(1) == precision.images).all()
    together = precision.table(weights)
    monkeypatch.setattr(bootstrap, "_CELLS", 1)
    np.testing.assert_array_equal(together, precision.table(weights))


def test_an_interval_holds_the_figure_and_is_seeded():
    truth, results = make_set(seed=4, images=20, detections=20)
    run = metrics(truth, results).runs["mask"]
    found = intervals(run, 300)
    assert found == intervals(run, 300)
    for interval in found.values():
        assert interval.low < interval.value < interval.high


def test_nothing_to_find_has_no_interval():
    truth, results = make_set(**SETS["no_ground_truth"])
    found = intervals(metrics(truth, results, kinds=("box",)).runs["box"], 20)["AP"]
    assert np.isnan(found.value) and np.isnan(found.low)


def test_results_differ_from_themselves_by_nothing():
    truth, results = make_set(seed=4, images=20, detections=20)
    run = metrics(truth, results).runs["mask"]
    overall, classes = paired(run, run, 100)
    for pair in [*overall.values(), *classes]:
        assert pair.difference == (0, 0, 0) and pair.better == 0.5


def test_what_is_better_on_each_image_is_never_worse_in_a_draw():
    """Without its detections of one class, that class alone is worse."""
    truth, results = make_set(seed=4, images=20, detections=20)
    fewer = [r for r in results if r["category_id"] != 7]
    runs = [metrics(truth, r).runs["mask"] for r in (fewer, results)]
    overall, classes = paired(*runs, 200)
    ap = overall["AP"]
    assert ap.better > 0.95 and 0 <= ap.difference.low < ap.difference.value
    assert ap.second - ap.first == pytest.approx(ap.difference.value)
    assert [c.difference.value == 0 for c in classes] == [True, False, True]
    assert ap.difference.value == pytest.approx(classes[1].difference.value / 3)
