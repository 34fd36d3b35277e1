"""A report: one HTML page that says how good a run is, and where it fails.

The page needs nothing beside itself: styles, charts and images are in it.
"""

import json
import math
from pathlib import Path
from string import Template
from typing import Any

from tfmask.data.dataset import Dataset
from tfmask.errors import EvaluationError
from tfmask.evaluation.bootstrap import Interval, intervals
from tfmask.evaluation.coco_metrics import Metrics
from tfmask.evaluation.comparison import Comparison, compare
from tfmask.evaluation.mistakes import analyse
from tfmask.files import write_atomically
from tfmask.report import figures, pictures
from tfmask.report.confusion import confusion
from tfmask.report.markup import Markup, element, escaped, joined
from tfmask.report.pictures import Judged

_FOLDER = Path(__file__).parent


def judge(name: str, metrics: Metrics, threshold: float) -> Judged:
    """Figures as a report shows them.

    Raises:
      EvaluationError: there is neither a box nor a mask to judge.
    """
    kind = next((k for k in ("mask", "box") if k in metrics.runs), None)
    if kind is None:
        raise EvaluationError(f"{name}: neither boxes nor masks to report on")
    return Judged(name, metrics, analyse(metrics.runs[kind], threshold), kind)


def write_report(
    path,
    runs: list[Judged],
    dataset: Dataset,
    *,
    images: int = 6,
    draws: int = 1000,
    about: str = "",
) -> None:
    """Writes the page.

    Args:
      path: of the HTML file.
      runs: one, or two on the same data, to be compared.
      dataset: the data.
      images: so many of the worst and of the best images are shown.
      draws: of the bootstrap over images.
      about: a line on where the results are from.
    """
    comparison = None
    if len(runs) == 2:
        comparison = compare(runs[0].metrics, runs[1].metrics, draws)
    first = runs[0]
    sure: dict[str, Interval] = {}
    if comparison is None:
        for kind, run in first.metrics.runs.items():
            found = intervals(run, draws)
            sure |= {f"{kind}/{name}": value for name, value in found.items()}
    order = [k for k in ("mask", "box", "boundary") if k in first.metrics.runs]
    sure = {k: sure[k] for kind in order for k in sure if k.startswith(f"{kind}/")}
    title = " against ".join(run.name for run in runs)
    parts: dict[str, Any] = {
        "title": escaped(title),
        "about": escaped(_about(runs, dataset, about)),
        "notes": _notes(runs),
        "headline": figures.differences(comparison, runs)
        if comparison
        else figures.headline(first, sure),
        "sureness": escaped(_sureness(runs, draws)),
        "all_figures": figures.all_figures(runs),
        "iou_chart": figures.iou_chart(runs),
        "kind": first.kind,
        "precision_charts": figures.precision_charts(runs),
        "class_table": figures.class_table(runs, comparison),
        "threshold": f"{first.mistakes.threshold:g}",
        "kinds_table": figures.kinds_table(runs),
        "confusion": confusion(runs),
        "images": _images(runs, dataset, images),
        "footer": "Written by tfmask report. AP as pycocotools computes it.",
        "data": _script(_data(runs, sure, comparison)),
        "style": (_FOLDER / "page.css").read_text(encoding="utf-8"),
    }
    page = Template((_FOLDER / "page.html").read_text(encoding="utf-8"))
    write_atomically(path, page.substitute(parts))


def _about(runs: list[Judged], dataset: Dataset, about: str) -> str:
    count = len(runs[0].metrics.truth.image_ids)
    return (
        f"{dataset.source}: {count} images, {dataset.num_objects} instances, "
        f"{dataset.class_map.num_classes} classes. {about}"
    ).strip()


def _sureness(runs: list[Judged], draws: int) -> str:
    text = (
        f"Intervals hold 95 % of {draws} draws of the images with replacement: how "
        "far a figure would move on other images of the kind"
    )
    if len(runs) == 1:
        return text + "."
    return (
        f"{text}. Both runs are judged on the same draws; a difference in colour has "
        "an interval without zero. Second better: the share of draws in which it is."
    )


def _notes(runs: list[Judged]) -> Markup:
    notes: dict[str, None] = {}
    for run in runs:
        for note in run.metrics.notes:
            notes[f"{run.name}: {note}" if len(runs) > 1 else note] = None
    if not notes:
        return Markup("")
    listed = element("ul", *(element("li", note) for note in notes))
    return element("div", listed, class_="notes")


def _images(runs: list[Judged], dataset: Dataset, number: int) -> Markup:
    """The images that say most, under headings."""

    def shown(heading: str, places: list[int]):
        drawn = [pictures.picture(place, runs, dataset) for place in places]
        return [element("h3", heading), *drawn] if drawn else []

    if len(runs) == 1:
        order = pictures.ranked(runs[0].mistakes)
        worst = order[:number]
        best = [i for i in order[::-1][:number] if i not in worst]
        return joined([*shown("Worst", worst), *shown("Best", best)])
    changes = pictures.by_difference(runs[0].mistakes, runs[1].mistakes)
    gained = [i for change, i in changes[::-1] if change > 0][:number]
    lost = [i for change, i in changes if change < 0][:number]
    parts = [
        *shown(f"{runs[1].name} is better", gained),
        *shown(f"{runs[0].name} is better", lost),
    ]
    return joined(parts or [element("p", "Both are as good on every image.")])


def _data(runs: list[Judged], sure: dict, comparison: Comparison | None) -> dict:
    """The numbers of the page, for programs."""
    data: dict[str, Any] = {"runs": []}
    for run in runs:
        data["runs"].append(
            {
                "name": run.name,
                **run.metrics.to_json(),
                "mistakes": run.mistakes.counts,
                "ap50_if_mended": run.mistakes.gains,
                "confusion": run.mistakes.confusion.tolist(),
                "quality": {
                    str(run.metrics.truth.image_ids[image.image - 1]): image.quality
                    for image in run.mistakes.images
                },
            }
        )
    data["intervals"] = {name: value._asdict() for name, value in sure.items()}
    if comparison:
        data["differences"] = {
            name: {**pair._asdict(), "difference": pair.difference._asdict()}
            for name, pair in comparison.figures.items()
        }
    return data


def _script(data: dict) -> str:
    """JSON that no text in it can end the script element with; NaN is null."""

    def plain(value):
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return value

    return json.dumps(plain(data), allow_nan=False).replace("<", "\\u003c")
