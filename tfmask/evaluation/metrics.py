"""Which metric judges a data set, and which of its figures marks the best weights.

A metric is a function `metric(dataset, results, options) -> dict[str, float]`:

- `dataset`: the `data.dataset.Dataset` as it was loaded; no file is read again.
- `results`: COCO results, see `evaluation.results`; may be empty.
- `options`: the `config.EvalConfig`. A user's own metric finds its own settings in
  `options.metric`.

A figure is better the larger it is, and -1 where it is not defined: weights with that
are never the best.
"""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from tfmask.config import EvalConfig
from tfmask.data.dataset import Dataset
from tfmask.errors import ConfigError

# The word of `evaluation.metric` -> the module that holds `metric`, `figure_names` and
# `format_table`; imported when it is needed.
METRICS = {
    "coco": "tfmask.evaluation.coco_metrics",
    "lvis": "tfmask.evaluation.lvis_metrics",
    "cityscapes": "tfmask.evaluation.cityscapes_metrics",
}


class Metric(NamedTuple):
    """A metric and how its figures are shown."""

    name: str
    compute: Callable[[Dataset, list, EvalConfig], dict[str, float]]
    format: Callable[[Any], str]  # figures -> text
    figure_names: Callable[[Dataset, EvalConfig], tuple[str, ...]]  # without results

    def to_json(self, figures) -> dict:
        """The figures as plain values, with all else that the metric tells."""
        if hasattr(figures, "to_json"):
            return {"metric": self.name, **figures.to_json()}
        plain = {name: float(value) for name, value in figures.items()}
        return {"metric": self.name, "figures": plain}


def find_metric(options: EvalConfig, dataset: Dataset) -> Metric:
    """The metric of `evaluation.metric`, a word or a user's own config.

    Raises:
      ConfigError: neither a known word nor a config with a `metric`.
    """
    if not isinstance(options.metric, str):
        return _own(options.metric)
    chosen: str = options.metric
    if chosen == "auto":
        # The metric that has the name of the data's format; else COCO's.
        chosen = dataset.format if dataset.format in METRICS else "coco"
    if chosen not in METRICS:
        words = ", ".join(["auto", *METRICS])
        raise ConfigError(f"evaluation.metric={chosen!r}: expected one of {words}")
    module = importlib.import_module(METRICS[chosen])
    return Metric(chosen, module.metric, module.format_table, module.figure_names)


def check_best(metric: Metric, dataset: Dataset, options: EvalConfig) -> None:
    """Refuses an `evaluation.best` that the metric does not give, before any training.

    Raises:
      ConfigError: naming the figures that there are.
    """
    best_figure(dict.fromkeys(metric.figure_names(dataset, options), 0.0), options)


def best_figure(figures: dict[str, float], options: EvalConfig) -> float:
    """The figure that decides which weights are the best.

    Raises:
      ConfigError: the metric does not give it.
    """
    if options.best not in figures:
        raise ConfigError(
            f"evaluation.best={options.best!r}: the metric gives no such figure; "
            f"expected one of {', '.join(figures) or 'none'}"
        )
    return float(figures[options.best])


def limit_note(dataset: Dataset, max_detections: int) -> str:
    """Says that images hold more objects than the model can find; empty if none does.

    Args:
      dataset: what is to be evaluated.
      max_detections: `model.postprocess.max_detections`.
    """
    counts = [int((~record.crowd).sum()) for record in dataset.images]
    over = [count for count in counts if count > max_detections]
    if not over:
        return ""
    return (
        f"{dataset.source}: {len(over)} of {len(dataset)} images hold more objects, up "
        f"to {max(over)}, than the {max_detections} detections that the model gives "
        "per image: raise model.postprocess.max_detections"
    )


def _own(config) -> Metric:
    """A metric from outside tfmask: a PartConfig with `metric`, perhaps `format`."""
    kind = type(config)
    compute = getattr(kind, "metric", None)
    if not callable(compute):
        raise ConfigError(
            f"evaluation.metric={config!r}: expected a word or a PartConfig with "
            "`metric: ClassVar[Callable]`"
        )
    return Metric(
        kind.__name__,
        compute,
        getattr(kind, "format", None) or _lines,
        lambda dataset, options: tuple(compute(dataset, [], options)),
    )


def _lines(figures: dict[str, float]) -> str:
    width = max(map(len, figures), default=0)
    return "\n".join(f"{name:<{width}}  {value:.4f}" for name, value in figures.items())
