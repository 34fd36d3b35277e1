"""Cityscapes' own metrics of masks, and COCO's beside them.

`mask/AP`, `mask/AP50` and `mask/AP/CLASS` are those of the Cityscapes scripts, which
are not used themselves: they read every mask from a PNG file of its own, write beside
their inputs, and need a plotting library. Tests compare with them. COCO's figures of
the same results are called `coco/box/AP`, `coco/mask/AP`, ...
"""

import numpy as np

from tfmask.config import EvalConfig
from tfmask.data.dataset import Dataset, ImageRecord
from tfmask.errors import EvaluationError
from tfmask.evaluation import coco_metrics
from tfmask.evaluation.cityscapes_matching import (
    OVERLAPS,
    ClassMatches,
    average_precision,
    match,
)
from tfmask.evaluation.coco_table import cell, columns
from tfmask.evaluation.figures import Figures
from tfmask.evaluation.ground_truth import record_rles, rle_of
from tfmask.evaluation.results import checked_results

_COCO = "coco/"
_SHOWN = (("AP", None), ("AP50", 0.5), ("AP75", 0.75))


def figure_names(dataset: Dataset, options: EvalConfig) -> tuple[str, ...]:
    """Names of the figures that `metric` gives for results with boxes and masks."""
    names = [f"mask/{name}" for name, _ in _SHOWN]
    for name, _ in _SHOWN:
        names += [f"mask/{name}/{kind}" for kind in dataset.class_map.names]
    coco = coco_metrics.figure_names(dataset, options)
    return (*names, *(f"{_COCO}{name}" for name in coco))


def metric(dataset: Dataset, results: list[dict], options: EvalConfig) -> Figures:
    """The figures of a data set, as `evaluation.metrics` calls for them.

    Crowd regions are groups; `ImageRecord.void` is not judged.

    Raises:
      EvaluationError: a malformed result, or one without a mask.
    """
    judged = coco_metrics.metric(dataset, results, options)
    table = _precision_table(dataset, results)
    figures = {}
    for name, iou in _SHOWN:
        values = table if iou is None else table[:, np.isclose(OVERLAPS, iou)]
        figures[f"mask/{name}"] = _mean(values)
        for row, kind in zip(values, dataset.class_map.names):
            figures[f"mask/{name}/{kind}"] = _mean(row)
    figures |= {f"{_COCO}{name}": value for name, value in judged.items()}
    rows = []
    for row in judged.per_class:
        own = {
            f"mask/{name}": figures[f"mask/{name}/{row['name']}"] for name, _ in _SHOWN
        }
        coco = {f"{_COCO}{k}" if "/" in k else k: v for k, v in row.items()}
        rows.append(coco | own)
    notes = list(judged.notes)
    if dataset.format != "cityscapes":
        notes.append(
            "The data does not say which pixels are void: what lies there counts as "
            "false, so these figures are lower than Cityscapes' own."
        )
    return Figures(figures, rows, judged.max_dets, notes)


def format_table(metrics: Figures) -> str:
    """The figures as text: a line for each class and the mean; then COCO's."""
    names = [name for name, _ in _SHOWN]
    lines = [["Cityscapes", "instances", *names]]
    for row in metrics.per_class:
        figures = [cell(row[f"mask/{name}"]) for name in names]
        lines.append([row["name"], str(row["instances"]), *figures])
    total = sum(row["instances"] for row in metrics.per_class)
    means = [cell(metrics[f"mask/{name}"]) for name in names]
    lines.append(["mean", str(total), *means])
    coco = Figures(
        {k.removeprefix(_COCO): v for k, v in metrics.items() if k.startswith(_COCO)},
        [],
        metrics.max_dets,
        metrics.notes,
    )
    below = coco_metrics.format_table(coco, per_class=False)
    return "\n".join([*columns(lines), "", "COCO's rules", below])


def _mean(values: np.ndarray) -> float:
    """Mean of what is defined; -1 when nothing is."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else -1.0


def _precision_table(dataset: Dataset, results: list[dict]) -> np.ndarray:
    """[K, thresholds] AP, NaN where there is no instance of a class."""
    ids = dataset.class_map.ids
    sizes = {r.image_id: (r.height, r.width) for r in dataset.images}
    found: dict = {}
    for position, result in enumerate(checked_results(results, sizes, set(ids))):
        if "segmentation" not in result:
            raise EvaluationError(
                f"result {position} (image {result['image_id']!r}): has no "
                "segmentation, which Cityscapes' figures need"
            )
        found.setdefault(result["image_id"], []).append(result)
    matches: list[list[ClassMatches]] = [[] for _ in ids]
    for record in dataset.images:
        of_image = _match_image(record, found.get(record.image_id, []), ids)
        for of_class, one in zip(matches, of_image):
            of_class.append(one)
    return np.array(
        [[average_precision(each, overlap) for overlap in OVERLAPS] for each in matches]
    ).reshape(len(ids), len(OVERLAPS))


def _match_image(record: ImageRecord, results: list, ids) -> list[ClassMatches]:
    truth = record_rles(record)
    size = record.height, record.width
    void = None if record.void is None else rle_of(record.void, size)
    matches = []
    for label, key in enumerate(ids, 1):
        mine = [r for r in results if r["category_id"] == key]
        indices = np.flatnonzero(record.labels == label)
        matches.append(
            match(
                [r["segmentation"] for r in mine],
                [r.get("mask_score", r["score"]) for r in mine],
                [truth[i] for i in indices],
                record.crowd[indices],
                void,
            )
        )
    return matches
