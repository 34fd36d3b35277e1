"""COCO metrics of boxes, masks and mask boundaries.

The figures are pycocotools' own, with three additions: the largest of `max_dets` is
the limit for AP wherever pycocotools' summary has 100 built in; boundary AP; and AP of
the crowded instances alone.
"""

from collections import Counter

import numpy as np
from pycocotools import mask as mask_utils

from tfmask.config import EvalConfig
from tfmask.data.dataset import Dataset
from tfmask.errors import EvaluationError
from tfmask.evaluation.coco_table import figure_order, format_table
from tfmask.evaluation.figures import Figures
from tfmask.evaluation.ground_truth import (
    GroundTruth,
    build_ground_truth,
    silent_coco,
)
from tfmask.evaluation.matching import InstanceEval, crowded_ids
from tfmask.evaluation.results import checked_results

_AREAS = (("s", "small"), ("m", "medium"), ("l", "large"))


class Metrics(Figures):
    """COCO's figures, with the evaluations behind them.

    Args:
      figures: the figures.
      runs: kind -> the evaluation of its masks or boxes.
      truth: what all of them are judged by.
    """

    def __init__(
        self, figures: Figures, runs: dict[str, InstanceEval], truth: GroundTruth
    ):
        super().__init__(
            figures,
            figures.per_class,
            figures.max_dets,
            figures.notes,
            figures.per_iou,
        )
        self.runs = runs
        self.truth = truth


def metric(dataset: Dataset, results: list[dict], options: EvalConfig) -> Metrics:
    """The figures of a data set, as `evaluation.metrics` calls for them."""
    return evaluate(
        dataset,
        results,
        max_dets=options.max_dets,
        boundary=options.boundary,
        boundary_dilation=options.boundary_dilation,
        crowded_iou=options.crowded_iou,
    )


def figure_names(dataset: Dataset, options: EvalConfig) -> tuple[str, ...]:
    """Names of the figures that `metric` gives for results with boxes and masks."""
    kinds = ("box", "mask", "boundary") if options.boundary else ("box", "mask")
    names = [f"{kind}/{n}" for kind in kinds for n in figure_order(options.max_dets)]
    return (*names, "mask/AP_crowded", "mask/AP50_crowded")


def evaluate(
    ground_truth,
    results: list[dict],
    *,
    max_dets: tuple[int, ...] = (1, 10, 100),
    boundary: bool = True,
    boundary_dilation: float = 0.02,
    crowded_iou: float = 0.3,
    kinds: tuple[str, ...] | None = None,
) -> Metrics:
    """Evaluates results on all images of the ground truth.

    `mask/AP_crowded` (and `AP50_crowded`) is the mask AP on the instances whose box
    overlaps the box of another instance of the image, of any class, with an IoU above
    `crowded_iou`. Detections matched to other instances are ignored, as COCO ignores
    those matched to ground truth out of an area range. Unmatched detections have
    nothing that would place them outside the crowd, so they count as false positives.

    As in pycocotools, the size of a detection is that of its box where the result has
    a `bbox`, for masks too. Masks and their boundaries are ranked by `mask_score` where
    a result has one, boxes always by `score`.

    Args:
      ground_truth: a `data.dataset.Dataset`, the path of an annotation JSON, or its
        content.
      results: COCO results, see `tfmask.evaluation.results`; may be empty.
      max_dets: ascending numbers of detections per image.
      boundary: also compute boundary AP (Boundary IoU, CVPR 2021).
      boundary_dilation: width of the boundary as a share of the image diagonal.
      crowded_iou: see above.
      kinds: "box", "mask"; default: what all the results have.

    Raises:
      EvaluationError: a malformed result, or ground truth that cannot be used.
    """
    max_dets = tuple(max_dets)
    if not max_dets or min(max_dets) < 1 or sorted(set(max_dets)) != list(max_dets):
        raise EvaluationError(
            f"max_dets={max_dets}: expected ascending positive numbers, e.g. 1,10,100"
        )
    truth = build_ground_truth(ground_truth)
    results = checked_results(results, truth.image_sizes, set(truth.category_ids))
    kinds = chosen_kinds(kinds, results, truth)
    figures: dict = {}
    tables: dict = {}
    if "box" in kinds:
        detections = build_detections(truth, results, "box")
        run = InstanceEval(truth.coco, detections, "box", max_dets=max_dets).run()
        figures |= summarize(run, "box")
        tables["box"] = run
    if "mask" in kinds:
        detections = build_detections(truth, results, "mask")
        run = InstanceEval(truth.coco, detections, "mask", max_dets=max_dets).run()
        figures |= summarize(run, "mask")
        tables["mask"] = run
        figures |= _crowded_figures(truth, detections, run, crowded_iou)
        if boundary:
            tables["boundary"] = InstanceEval(
                truth.coco,
                detections,
                "boundary",
                max_dets=max_dets,
                dilation_ratio=boundary_dilation,
            ).run(mask_ious=run.ious)
            figures |= summarize(tables["boundary"], "boundary")
    notes = _notes(truth, results, max_dets[-1])
    classes = _per_class(truth, tables)
    per_iou = {kind: _per_iou(run) for kind, run in tables.items()}
    told = Figures(figures, classes, max_dets, notes, per_iou)
    return Metrics(told, tables, truth)


def chosen_kinds(kinds, results: list, truth: GroundTruth) -> tuple[str, ...]:
    """What to evaluate; masks need an outline on every record of both sides."""
    annotations = truth.coco.dataset["annotations"]
    outlined = all(a["segmentation"] is not None for a in annotations)
    if kinds is None:
        kinds = []
        if all("bbox" in r for r in results):
            kinds.append("box")
        if outlined and all("segmentation" in r for r in results):
            kinds.append("mask")
        if not kinds:
            raise EvaluationError(
                "some results lack bbox and others segmentation: expected one of the "
                "two on all of them"
            )
    for kind in kinds:
        if kind not in ("box", "mask"):
            raise EvaluationError(f"kinds: {kind!r}: expected 'box' or 'mask'")
    if "mask" in kinds:
        if not outlined:
            raise EvaluationError("mask AP: an annotation has no segmentation")
        for position, result in enumerate(results):
            if "segmentation" not in result:
                raise EvaluationError(
                    f"result {position} (image {result['image_id']!r}): has no "
                    "segmentation, which mask AP needs"
                )
    return tuple(kinds)


def build_detections(truth: GroundTruth, results: list[dict], kind: str):
    """Results as pycocotools.COCO: the same values that its `loadRes` fills in."""
    image_rank = {v: i for i, v in enumerate(truth.image_ids, 1)}
    category_rank = {v: i for i, v in enumerate(truth.category_ids, 1)}
    # loadRes goes by the first record: either all areas are of boxes or all of masks.
    by_box = bool(results) and "bbox" in results[0]
    annotations = []
    for position, result in enumerate(results, 1):
        rle = result.get("segmentation")
        box = result.get("bbox")
        if box is None:
            box = mask_utils.toBbox(rle).tolist()
        score = result["score"]
        if kind == "mask":
            score = result.get("mask_score", score)
        annotation = {
            "id": position,
            "image_id": image_rank[result["image_id"]],
            "category_id": category_rank[result["category_id"]],
            "score": score,
            "bbox": box,
            "area": box[2] * box[3]
            if by_box or rle is None
            else float(mask_utils.area(rle)),
            "iscrowd": 0,
        }
        if kind == "mask":
            annotation["segmentation"] = rle
        annotations.append(annotation)
    content = truth.coco.dataset
    return silent_coco(
        {
            "images": content["images"],
            "categories": content["categories"],
            "annotations": annotations,
        }
    )


# --- figures ------------------------------------------------------------------------


def _mean(values: np.ndarray) -> float:
    """Mean of what is defined; -1 when nothing is."""
    values = values[values > -1]
    return float(np.mean(values)) if values.size else -1.0


def average_precision(run, area: int = 0, iou: float | None = None, label=None):
    """AP at the largest number of detections; `label` picks one class, or several."""
    precision = run.eval["precision"][:, :, :, area, -1]  # [T, R, K]
    if iou is not None:
        precision = precision[np.isclose(run.params.iouThrs, iou)]
    if label is not None:
        precision = precision[:, :, np.asarray(label, int) - 1]
    return _mean(precision)


def summarize(run: InstanceEval, prefix: str) -> dict[str, float]:
    """The twelve COCO figures of an evaluation, named `prefix/AP` and so on."""
    recall = run.eval["recall"]  # [T, K, A, M]
    areas = run.params.areaRngLbl
    figures = {
        "AP": average_precision(run),
        "AP50": average_precision(run, iou=0.5),
        "AP75": average_precision(run, iou=0.75),
    }
    for letter, name in _AREAS:
        figures[f"AP{letter}"] = average_precision(run, area=areas.index(name))
    for index, number in enumerate(run.params.maxDets):
        figures[f"AR{number}"] = _mean(recall[:, :, 0, index])
    for letter, name in _AREAS:
        figures[f"AR{letter}"] = _mean(recall[:, :, areas.index(name), -1])
    return {f"{prefix}/{name}": value for name, value in figures.items()}


def _crowded_figures(
    truth: GroundTruth, detections, masks: InstanceEval, min_iou: float
):
    run = InstanceEval(
        truth.coco, detections, "mask", max_dets=masks.params.maxDets[-1:]
    )
    run.params.areaRng, run.params.areaRngLbl = run.params.areaRng[:1], ["all"]
    counted = crowded_ids(truth.coco.dataset["annotations"], min_iou)
    run.run(counted=counted, mask_ious=masks.ious)
    return {
        "mask/AP_crowded": average_precision(run),
        "mask/AP50_crowded": average_precision(run, iou=0.5),
    }


def _per_class(truth: GroundTruth, runs: dict) -> list[dict]:
    instances = [0] * len(truth.category_ids)
    for annotation in truth.coco.dataset["annotations"]:
        instances[annotation["category_id"] - 1] += not annotation["iscrowd"]
    table = []
    for label, (identity, name) in enumerate(
        zip(truth.category_ids, truth.category_names), 1
    ):
        row = {"id": identity, "name": name, "instances": instances[label - 1]}
        for kind, run in runs.items():
            row[f"{kind}/AP"] = average_precision(run, label=label)
            row[f"{kind}/AP50"] = average_precision(run, iou=0.5, label=label)
            row[f"{kind}/AP75"] = average_precision(run, iou=0.75, label=label)
        table.append(row)
    return table


def _per_iou(run: InstanceEval) -> dict[str, float]:
    """AP by IoU threshold, as BMask R-CNN's Fig. 1 has it."""
    thresholds = run.params.iouThrs.tolist()
    return {f"{iou:.2f}": average_precision(run, iou=iou) for iou in thresholds}


def _notes(truth: GroundTruth, results: list[dict], most: int) -> list[str]:
    notes = []
    annotations = truth.coco.dataset["annotations"]
    objects = Counter(a["image_id"] for a in annotations if not a["iscrowd"])
    crowded = [count for count in objects.values() if count > most]
    if crowded:
        notes.append(
            f"{len(crowded)} of {len(truth.image_ids)} images hold more than {most} "
            f"objects, up to {max(crowded)}, but no more than {most} detections per "
            "image count: raise the last number of evaluation.max_dets."
        )
    if truth.federated:
        notes.append(
            "The images say which classes were looked for (LVIS), which COCO's figures "
            "leave out of account: right detections of other classes count as false, "
            "so the figures are too low."
        )
    if not annotations:
        notes.append("The ground truth holds no instances: AP is not defined (-1).")
    if not results:
        notes.append("There are no detections.")
    if 0 in truth.coco.anns:
        notes.append(
            "Annotation id 0: pycocotools, and so these figures, count that instance "
            "as never found; number annotations from 1."
        )
    return notes


__all__ = [
    "Metrics",
    "average_precision",
    "build_detections",
    "chosen_kinds",
    "evaluate",
    "figure_names",
    "format_table",
    "metric",
    "summarize",
]
