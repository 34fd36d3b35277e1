"""Two sets of results on the same images: figures, differences, intervals."""

import math
from typing import NamedTuple

from tfmask.evaluation.bootstrap import PairedDifference, paired
from tfmask.evaluation.coco_metrics import Metrics
from tfmask.evaluation.coco_table import columns


class Comparison(NamedTuple):
    """What the second set of results differs by from the first."""

    images: int
    draws: int  # of the bootstrap
    figures: dict[str, PairedDifference]  # "mask/AP", ...
    classes: dict[str, list[PairedDifference]]  # kind -> AP of each class
    class_names: list[str]


def compare(first: Metrics, second: Metrics, draws: int = 1000) -> Comparison:
    """Compares two evaluations of one data set, by what both have of boxes and masks.

    Args:
      first, second: figures with the evaluations behind them.
      draws: of the bootstrap over images.
    """
    figures: dict[str, PairedDifference] = {}
    classes: dict[str, list[PairedDifference]] = {}
    for kind, run in first.runs.items():
        if kind in second.runs:
            overall, classes[kind] = paired(run, second.runs[kind], draws)
            figures |= {f"{kind}/{name}": value for name, value in overall.items()}
    names = [row["name"] for row in first.per_class]
    return Comparison(len(first.truth.image_ids), draws, figures, classes, names)


def format_comparison(comparison: Comparison, first: str, second: str) -> str:
    """The figures as text, then the classes; `first` and `second` name the results."""
    head = ["first", "second", "difference", "95 % interval", "second better"]
    rows = [["", *head]]
    for name, pair in comparison.figures.items():
        rows.append([name, *_cells(pair)])
    lines = [f"first   {first}", f"second  {second}", "", *columns(rows)]
    if len(comparison.class_names) > 1:
        rows = [["class", *head]]
        for kind, pairs in comparison.classes.items():
            for name, pair in zip(comparison.class_names, pairs):
                rows.append([f"{name} {kind}/AP", *_cells(pair)])
        lines += ["", *columns(rows)]
    lines.append(
        f"Intervals: {comparison.draws} draws of the {comparison.images} images with "
        "replacement, the same for both."
    )
    return "\n".join(lines)


def comparison_rows(comparison: Comparison, per_class: bool) -> list[list]:
    """Rows of a CSV file: the figures, or AP of each class; empty where undefined."""
    head = ["first", "second", "difference", "low", "high", "second_better"]
    if not per_class:
        named = [[name, *_values(p)] for name, p in comparison.figures.items()]
        return [["figure", *head], *named]
    rows: list[list] = [["class", "figure", *head]]
    for kind, pairs in comparison.classes.items():
        for name, pair in zip(comparison.class_names, pairs):
            rows.append([name, f"{kind}/AP", *_values(pair)])
    return rows


def figure_rows(metrics: Metrics, per_class: bool) -> list[list]:
    """Rows of a CSV file: the figures of an evaluation, or those of each class."""
    if not per_class:
        return [["figure", "value"], *([k, float(v)] for k, v in metrics.items())]
    names = list(metrics.per_class[0]) if metrics.per_class else ["id", "name"]
    return [names, *([row[name] for name in names] for row in metrics.per_class)]


def _values(pair: PairedDifference) -> list:
    values = [pair.first, pair.second, *pair.difference, pair.better]
    return ["" if math.isnan(v) else v for v in values]


def _cells(pair: PairedDifference) -> list[str]:
    if math.isnan(pair.difference.value):
        return ["-"] * 5
    interval = f"{pair.difference.low:+.3f} to {pair.difference.high:+.3f}"
    return [
        f"{pair.first:.3f}",
        f"{pair.second:.3f}",
        f"{pair.difference.value:+.3f}",
        interval if not math.isnan(pair.difference.low) else "-",
        f"{100 * pair.better:.0f} %" if not math.isnan(pair.better) else "-",
    ]
