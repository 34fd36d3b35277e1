"""The parts of a report that show figures: tables and charts."""

import math

import numpy as np

from tfmask.evaluation.bootstrap import Interval, PairedDifference
from tfmask.evaluation.coco_table import figure_order
from tfmask.evaluation.comparison import Comparison
from tfmask.report.markup import Markup, element, joined, table
from tfmask.report.pictures import Judged
from tfmask.report.plots import Axis, Line, line_chart

_UNIT = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_STYLES = ("c1", "c2")
_CLASSES = 12  # whose curves are shown at once
_RECALLS = np.linspace(0, 1, 101).tolist()


def number(value) -> str:
    """A figure with three decimals; a dash where it is not defined."""
    if value is None or math.isnan(value) or value < -0.5:
        return "–"
    return f"{value:.3f}"


def headline(run: Judged, intervals: dict[str, Interval]) -> Markup:
    """The figures that are looked at first, each with its interval."""
    cards = []
    for name, interval in intervals.items():
        text = f"{number(interval.low)} to {number(interval.high)}"
        cards.append(
            element(
                "div",
                element("span", name.replace("/", " "), class_="name"),
                element("span", number(interval.value), class_="value"),
                element("span", text, class_="interval"),
                class_="card",
            )
        )
    return element("div", *cards, class_="cards")


def differences(comparison: Comparison, runs: list[Judged]) -> Markup:
    """The figures of two runs and what the second differs by."""
    head = ["figure", *(run.name for run in runs), *_DIFFERENCE]
    rows = [
        [name.replace("/", " "), *_pair(pair)]
        for name, pair in comparison.figures.items()
    ]
    return table(head, rows)


_DIFFERENCE = ("difference", "95 % interval", "second better")


def _pair(pair: PairedDifference) -> list:
    low, value, high = pair.difference.low, pair.difference.value, pair.difference.high
    if math.isnan(value):
        return [number(pair.first), number(pair.second), "–", "–", "–"]
    sure = "" if math.isnan(low) else "up" if low > 0 else "down" if high < 0 else ""
    return [
        number(pair.first),
        number(pair.second),
        element("td", f"{value:+.3f}", class_=sure or None),
        "–" if math.isnan(low) else f"{low:+.3f} to {high:+.3f}",
        "–" if math.isnan(pair.better) else f"{100 * pair.better:.0f} %",
    ]


def all_figures(runs: list[Judged]) -> Markup:
    """Every figure of the metric, a table for each run."""
    tables = []
    for run in runs:
        metrics = run.metrics
        names = figure_order(metrics.max_dets)
        rows = [
            [kind, *(number(metrics[f"{kind}/{name}"]) for name in names)]
            for kind in metrics.runs
        ]
        tables.append(table(["", *names], rows, run.name if len(runs) > 1 else ""))
        if "mask/AP_crowded" in metrics:
            tables.append(
                element(
                    "p",
                    f"Mask AP of crowded instances {number(metrics['mask/AP_crowded'])}"
                    f", AP50 {number(metrics['mask/AP50_crowded'])}.",
                )
            )
    return joined(tables)


def iou_chart(runs: list[Judged]) -> Markup:
    """AP over the IoU that a match needs (BMask R-CNN, Fig. 1)."""
    lines = []
    for kind, dash in (("mask", ""), ("boundary", " dashed"), ("box", " dotted")):
        for run, style in zip(runs, _STYLES):
            if kind in run.metrics.runs:
                name = f"{run.name}: {kind}" if len(runs) > 1 else kind
                by_iou = run.metrics.per_iou[kind]
                # Not defined (-1) is drawn as nothing.
                values = [max(value, 0.0) for value in by_iou.values()]
                lines.append(Line(name, style + dash, [*map(float, by_iou)], values))
    high = max((max(line.y) for line in lines), default=1.0)
    top = next(t for t in (0.2, 0.4, 0.6, 0.8, 1.0) if t >= min(high, 1.0))
    return line_chart(
        lines,
        Axis("IoU threshold", 0.5, 0.95, (0.5, 0.6, 0.7, 0.8, 0.9)),
        Axis("AP", 0, top, tuple(t for t in _UNIT if t <= top)),
        "AP over IoU thresholds",
        dots=True,
    )


def precision_charts(runs: list[Judged]) -> Markup:
    """Precision over recall of each class, most frequent ones first."""
    rows = runs[0].metrics.per_class
    order = sorted(range(len(rows)), key=lambda k: -rows[k]["instances"])
    order = [k for k in order if rows[k]["instances"]]
    charts = [_precision_chart(runs, k) for k in order]
    shown = element("div", *charts[:_CLASSES], class_="charts")
    if len(charts) <= _CLASSES:
        return shown
    rest = element("div", *charts[_CLASSES:], class_="charts")
    summary = element("summary", f"{len(charts) - _CLASSES} classes more")
    return joined([shown, element("details", summary, rest)])


def _precision_chart(runs: list[Judged], k: int) -> Markup:
    lines = []
    for iou, dash in ((0.5, ""), (0.75, " dashed"), (0.9, " dotted")):
        for run, style in zip(runs, _STYLES):
            evaluation = run.metrics.runs[run.kind]
            t = int(np.argmin(np.abs(evaluation.params.iouThrs - iou)))
            values = evaluation.eval["precision"][t, :, k, 0, -1]
            name = f"{run.name}: IoU {iou:g}" if len(runs) > 1 else f"IoU {iou:g}"
            lines.append(Line(name, style + dash, _RECALLS, values.tolist()))
    row = runs[0].metrics.per_class[k]
    return line_chart(
        lines,
        Axis("recall", 0, 1, _UNIT),
        Axis("precision", 0, 1, _UNIT),
        f"{row['name']}, {row['instances']} instances",
    )


def class_table(runs: list[Judged], comparison: Comparison | None) -> Markup:
    """The figures of each class; of two runs AP and what it differs by."""
    rows = runs[0].metrics.per_class
    if comparison is None:
        names = [key for key in rows[0] if "/" in key] if rows else []
        head = ["class", "instances", *(name.replace("/", " ") for name in names)]
        return table(
            head,
            [
                [row["name"], row["instances"], *(number(row[n]) for n in names)]
                for row in rows
            ],
        )
    kind = runs[0].kind
    head = ["class", "instances", *(run.name for run in runs), *_DIFFERENCE]
    body = [
        [row["name"], row["instances"], *_pair(pair)]
        for row, pair in zip(rows, comparison.classes[kind])
    ]
    return table(head, body, f"{kind} AP")


def kinds_table(runs: list[Judged]) -> Markup:
    """False positives and missed objects by kind, with bars."""
    most = max(max(r.mistakes.counts.values()) for r in runs) or 1
    top = max(max(r.mistakes.gains.values()) for r in runs) or 1.0
    head = ["kind"]
    for run in runs:
        prefix = f"{run.name}: " if len(runs) > 1 else ""
        head += [f"{prefix}number", f"{prefix}AP50 if mended"]
    rows = []
    for kind in runs[0].mistakes.counts:
        cells: list = [kind]
        for run, style in zip(runs, _STYLES):
            count, gain = run.mistakes.counts[kind], run.mistakes.gains[kind]
            cells.append(_bar(str(count), count / most, style))
            cells.append(_bar(f"{gain:+.3f}", max(gain, 0) / top, style))
        rows.append(cells)
    return table(head, rows, class_="kinds")


def _bar(text: str, share: float, style: str) -> Markup:
    width = f"width: {100 * share:.1f}%"
    bar = element("b", style=width, class_=f"bar {style}")
    track = element("span", bar, class_="track")
    return element("td", element("span", text), track, class_="barred")
