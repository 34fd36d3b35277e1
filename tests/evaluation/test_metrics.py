"""Which metric judges, which figure decides, and what limits are said."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest

from tfmask.config import EvalConfig, PartConfig
from tfmask.data.readers import load_dataset
from tfmask.data.synthetic.generate import write_dataset
from tfmask.errors import ConfigError
from tfmask.evaluation.coco_metrics import evaluate
from tfmask.evaluation.metrics import best_figure, check_best, find_metric, limit_note


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return load_dataset(str(write_dataset(tmp_path_factory.mktemp("d"), 2, seed=3)))


def count(dataset, results, options) -> dict[str, float]:
    return {"count": options.metric.factor * len(results), "images": len(dataset)}


@dataclass(kw_only=True)
class CountConfig(PartConfig):
    metric: ClassVar[Callable] = count
    factor: float = 0.5


@dataclass(kw_only=True)
class ShownConfig(CountConfig):
    format: ClassVar[Callable] = lambda figures: f"counted {figures['count']:g}"


@pytest.mark.parametrize("word", ["auto", "coco"])
def test_coco_figures_have_the_names_that_are_told_before(word, dataset):
    for boundary in (True, False):
        options = EvalConfig(metric=word, boundary=boundary, max_dets=(1, 5, 50))
        metric = find_metric(options, dataset)
        figures = metric.compute(dataset, [], options)
        assert metric.name == "coco"
        assert set(metric.figure_names(dataset, options)) == set(figures)
        assert "mask/AR50" in figures and dict(figures) == dict(
            evaluate(dataset, [], max_dets=(1, 5, 50), boundary=boundary)
        )
        assert "There are no detections." in metric.format(figures)
        assert metric.to_json(figures)["max_dets"] == [1, 5, 50]


def test_a_metric_of_the_users_own_gets_its_settings(dataset):
    options = EvalConfig(metric=CountConfig(factor=3.0), best="count")
    metric = find_metric(options, dataset)
    figures = metric.compute(dataset, [{}, {}], options)
    assert figures == {"count": 6.0, "images": 2}
    assert metric.format(figures) == "count   6.0000\nimages  2.0000"
    assert metric.to_json(figures) == {
        "metric": "CountConfig",
        "figures": {"count": 6.0, "images": 2.0},
    }
    check_best(metric, dataset, options)
    assert best_figure(figures, options) == 6.0


def test_a_metric_of_the_users_own_may_format_its_figures(dataset):
    metric = find_metric(EvalConfig(metric=ShownConfig()), dataset)
    assert metric.format({"count": 4.0}) == "counted 4"


@pytest.mark.parametrize("chosen", ["pascal", PartConfig()])
def test_what_is_no_metric_is_refused(chosen, dataset):
    with pytest.raises(ConfigError, match="evaluation.metric="):
        find_metric(EvalConfig(metric=chosen), dataset)


@pytest.mark.parametrize(
    ("options", "known"),
    [
        (EvalConfig(best="mask/mAP"), "mask/AP, mask/AP50"),
        (EvalConfig(best="boundary/AP", boundary=False), "box/AP"),
        (EvalConfig(metric=CountConfig()), "expected one of count, images"),
    ],
)
def test_a_best_that_the_metric_does_not_give_is_refused_before_training(
    options, known, dataset
):
    metric = find_metric(options, dataset)
    with pytest.raises(ConfigError, match=f"evaluation.best=.*{known}"):
        check_best(metric, dataset, options)


def test_more_objects_than_detections_are_said(dataset):
    most = max(len(r.boxes) for r in dataset.images)
    assert limit_note(dataset, most) == ""
    note = limit_note(dataset, most - 1)
    assert f"up to {most}" in note and "max_detections" in note
