"""LVIS's metrics of boxes, masks and mask boundaries: APr, APc, APf beside AP.

The figures are those of the `lvis` package, which is not used itself: it asks for an
OpenCV that clashes with the headless one, needs a numpy before 1.24, and has no
boundaries. Tests compare with it.
"""

from collections import Counter

from tfmask.config import EvalConfig
from tfmask.data.dataset import Dataset
from tfmask.errors import EvaluationError
from tfmask.evaluation.coco_metrics import (
    average_precision,
    build_detections,
    chosen_kinds,
    summarize,
)
from tfmask.evaluation.coco_table import cell, columns
from tfmask.evaluation.federated import FederatedEval
from tfmask.evaluation.figures import Figures
from tfmask.evaluation.ground_truth import GroundTruth, build_ground_truth
from tfmask.evaluation.results import checked_results

_FREQUENCIES = {"r": "rare", "c": "common", "f": "frequent"}
_KINDS = ("box", "mask", "boundary")


def figure_order(max_dets: tuple[int, ...]) -> list[str]:
    """Names of the figures of boxes, masks or boundaries."""
    precisions = ["AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf"]
    return [*precisions, f"AR{max_dets[-1]}", "ARs", "ARm", "ARl"]


def figure_names(dataset: Dataset, options: EvalConfig) -> tuple[str, ...]:
    """Names of the figures that `metric` gives for results with boxes and masks."""
    kinds = _KINDS if options.boundary else _KINDS[:2]
    return tuple(f"{k}/{n}" for k in kinds for n in figure_order(options.max_dets))


def metric(dataset: Dataset, results: list[dict], options: EvalConfig) -> Figures:
    """The figures of a data set, as `evaluation.metrics` calls for them.

    The last of `options.max_dets` is the number of detections that count in an image,
    of all classes together; LVIS has 300.

    Raises:
      EvaluationError: a malformed result, or the data is not LVIS's.
    """
    if not dataset.is_federated:
        raise EvaluationError(
            f"{dataset.source}: has no neg_category_ids: expected data of LVIS; "
            "evaluation.metric=coco judges other data"
        )
    truth = build_ground_truth(dataset)
    results = checked_results(results, truth.image_sizes, set(truth.category_ids))
    negative, not_exhaustive = _verified(dataset, truth)
    rows = _per_class(dataset, truth)
    figures: dict = {}
    known_ious = None
    kinds = chosen_kinds(None, results, truth)
    if "mask" in kinds and options.boundary:
        kinds = (*kinds, "boundary")
    for kind in kinds:
        scored = "box" if kind == "box" else "mask"
        run = FederatedEval(
            truth.coco,
            build_detections(truth, results, scored),
            kind,
            negative=negative,
            not_exhaustive=not_exhaustive,
            max_dets=options.max_dets[-1],
            dilation_ratio=options.boundary_dilation,
        )
        run.run(mask_ious=known_ious if kind == "boundary" else None)
        known_ious = run.ious
        of_kind = summarize(run, kind)
        for letter in _FREQUENCIES:
            labels = [i for i, row in enumerate(rows, 1) if row["frequency"] == letter]
            of_kind[f"{kind}/AP{letter}"] = average_precision(run, label=labels)
        names = [f"{kind}/{name}" for name in figure_order(options.max_dets)]
        figures |= {name: of_kind[name] for name in names}
        for label, row in enumerate(rows, 1):
            for suffix, iou in (("AP", None), ("AP50", 0.5), ("AP75", 0.75)):
                value = average_precision(run, iou=iou, label=label)
                row[f"{kind}/{suffix}"] = value
    notes = [] if results else ["There are no detections."]
    return Figures(figures, rows, options.max_dets[-1:], notes)


def format_table(metrics: Figures) -> str:
    """The figures as text: a line for boxes, masks, boundaries."""
    names = figure_order(metrics.max_dets)
    rows = [["", *names]]
    for kind in _KINDS:
        if f"{kind}/AP" in metrics:
            rows.append([kind, *(cell(metrics[f"{kind}/{name}"]) for name in names)])
    counts = [
        f"{sum(row['frequency'] == letter for row in metrics.per_class)} {word}"
        for letter, word in _FREQUENCIES.items()
    ]
    found = sum(row["instances"] > 0 for row in metrics.per_class)
    line = f"classes: {', '.join(counts)}; {found} with instances here"
    return "\n".join([*columns(rows), line, *metrics.notes])


def _verified(dataset: Dataset, truth: GroundTruth) -> tuple[dict, dict]:
    """Ranks of images -> ranks of the categories known absent, and of the partial."""
    class_ids = dataset.class_map.ids
    rank = {key: i for i, key in enumerate(truth.category_ids, 1)}
    records = {record.image_id: record for record in dataset.images}
    negative, partial = {}, {}
    for i, image_id in enumerate(truth.image_ids, 1):
        record = records[image_id]
        absent = record.negative_labels or ()
        negative[i] = {rank[class_ids[k - 1]] for k in absent}
        partial[i] = {rank[class_ids[k - 1]] for k in record.not_exhaustive_labels}
    return negative, partial


def _per_class(dataset: Dataset, truth: GroundTruth) -> list[dict]:
    """A row for each class, by rank, without figures."""
    instances = Counter(a["category_id"] for a in truth.coco.dataset["annotations"])
    frequency = dict(zip(dataset.class_map.ids, dataset.class_frequencies))
    return [
        {
            "id": identity,
            "name": name,
            "frequency": frequency.get(identity, ""),
            "instances": instances[rank],
        }
        for rank, (identity, name) in enumerate(
            zip(truth.category_ids, truth.category_names), 1
        )
    ]
