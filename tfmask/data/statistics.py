"""What a data set holds: counts, sizes, shapes and overlaps, for `tfmask validate`."""

from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from tfmask.data.dataset import Dataset, ImageRecord

# COCO's bounds of small and of medium instances, pixels of area.
_SMALL, _MEDIUM = 32**2, 96**2
SIZES = ("small", "medium", "large")
# IoUs of two boxes from which a pair is counted; 0.3 is that of AP_crowded.
OVERLAPS = (0.1, 0.3, 0.5, 0.7)
_SHARES = {"least": 0, "p5": 5, "median": 50, "p95": 95, "most": 100}


def statistics(dataset: Dataset) -> dict[str, Any]:
    """Figures of the records that can be used, as plain values for JSON.

    Regions to ignore are counted by themselves and in nothing else. Sizes are those of
    COCO's metrics: by annotated area, small below 32^2 and large from 96^2 pixels.
    `overlaps` tells for each IoU how many pairs of boxes of an image, of any classes,
    overlap by more, on average of all images, and how many instances are in such a
    pair; those above 0.3 are what AP_crowded counts.
    """
    counts = [int((~record.crowd).sum()) for record in dataset.images]
    boxes, areas, labels = _instances(dataset)
    groups = _size_groups(areas)
    sides = np.array([(r.width, r.height) for r in dataset.images]).reshape(-1, 2)
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    return {
        "images": len(dataset),
        "images_without_instances": counts.count(0),
        "instances": len(labels),
        "regions_to_ignore": dataset.num_annotations - len(labels),
        "classes": dataset.class_map.num_classes,
        "instances_per_image": _spread(np.array(counts)),
        "image_width": _spread(sides[:, 0]),
        "image_height": _spread(sides[:, 1]),
        "sizes": _by_size(groups),
        "root_of_area": _spread(np.sqrt(areas)),
        "width_by_height": _spread(width / height),
        "overlaps": _overlaps(dataset),
        "per_class": _per_class(dataset, labels, groups),
    }


def format_statistics(figures: dict[str, Any]) -> str:
    """The figures of `statistics` as text."""
    lines = [
        f"{figures['images']} images, {figures['images_without_instances']} of them "
        f"without instances; {figures['instances']} instances of {figures['classes']} "
        f"classes; {figures['regions_to_ignore']} regions to ignore",
        "",
    ]
    spreads = {
        "instances per image": "instances_per_image",
        "image width": "image_width",
        "image height": "image_height",
        "root of the area": "root_of_area",
        "box width / height": "width_by_height",
    }
    rows = [["", *_SHARES, "mean"]]
    for name, key in spreads.items():
        spread = figures[key]
        rows.append([name, *(_short(spread.get(s)) for s in [*_SHARES, "mean"])])
    lines += [*_columns(rows), ""]
    total = max(figures["instances"], 1)
    rows = [["boxes with an IoU above", *map(str, OVERLAPS)]]
    overlaps = [figures["overlaps"][str(iou)] for iou in OVERLAPS]
    rows.append(["pairs per image", *(_short(o["pairs_per_image"]) for o in overlaps)])
    rows.append(
        ["instances in a pair", *(f"{o['instances'] / total:.1%}" for o in overlaps)]
    )
    lines += [*_columns(rows), ""]
    rows = [["class", "id", "images", "instances", *SIZES]]
    classes = figures["per_class"]
    for row in [*classes, {"name": "all", "id": "", **_totals(figures)}]:
        cells = [str(row["name"]), str(row["id"]), str(row["images"])]
        rows.append([*cells, *(str(row[key]) for key in ("instances", *SIZES))])
    return "\n".join([*lines, *_columns(rows)])


def _instances(dataset: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes [n, 4], areas [n] and labels [n] of all instances that are no crowds."""
    kept = [~record.crowd for record in dataset.images]
    pairs = list(zip(dataset.images, kept))
    boxes = [record.boxes[keep] for record, keep in pairs]
    areas = [record.areas[keep] for record, keep in pairs]
    labels = [record.labels[keep] for record, keep in pairs]
    return (
        np.concatenate([np.zeros((0, 4)), *boxes]),
        np.concatenate([np.zeros(0), *areas]),
        np.concatenate([np.zeros(0, np.int32), *labels]),
    )


def _size_groups(areas: np.ndarray) -> np.ndarray:
    """[n] int: index into SIZES."""
    return np.digitize(areas, (_SMALL, _MEDIUM))


def _by_size(groups: np.ndarray) -> dict[str, int]:
    counts = np.bincount(groups, minlength=len(SIZES)).tolist()
    return dict(zip(SIZES, counts))


def _spread(values: np.ndarray) -> dict[str, float]:
    """Mean and percentiles; empty of nothing."""
    if not len(values):
        return {}
    numbers = np.percentile(values, list(_SHARES.values()))
    return {**dict(zip(_SHARES, numbers.tolist())), "mean": float(np.mean(values))}


def _overlaps(dataset: Dataset) -> dict[str, dict[str, float]]:
    pairs = np.zeros(len(OVERLAPS), np.int64)
    members = np.zeros(len(OVERLAPS), np.int64)
    for record in dataset.images:
        ious = _ious(record)
        for index, iou in enumerate(OVERLAPS):
            hits = ious > iou
            pairs[index] += hits.sum() // 2
            members[index] += hits.any(1).sum()
    images = max(len(dataset), 1)
    return {
        str(iou): {"pairs_per_image": pair / images, "instances": member}
        for iou, pair, member in zip(OVERLAPS, pairs.tolist(), members.tolist())
    }


def _ious(record: ImageRecord) -> np.ndarray:
    """[n, n] float64 of the boxes of an image's instances; 0 with themselves."""
    boxes = record.metric_boxes()[~record.crowd]
    if len(boxes) < 2:
        return np.zeros((len(boxes), len(boxes)))
    ious = coco_mask.iou(boxes, boxes, [0] * len(boxes))
    np.fill_diagonal(ious, 0.0)
    return ious


def _per_class(dataset: Dataset, labels: np.ndarray, groups: np.ndarray) -> list[dict]:
    with_class = np.zeros(dataset.class_map.num_classes + 1, np.int64)
    for record in dataset.images:
        with_class[np.unique(record.labels[~record.crowd])] += 1
    names = zip(dataset.class_map.ids, dataset.class_map.names)
    return [
        {
            "id": key,
            "name": name,
            "images": int(with_class[label]),
            "instances": int((labels == label).sum()),
            **_by_size(groups[labels == label]),
        }
        for label, (key, name) in enumerate(names, 1)
    ]


def _totals(figures: dict[str, Any]) -> dict[str, Any]:
    images = figures["images"] - figures["images_without_instances"]
    return {"images": images, "instances": figures["instances"], **figures["sizes"]}


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _columns(rows: list[list[str]]) -> list[str]:
    """Rows of cells as lines: the first column to the left, the rest to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:])),
            ]
        )
        for row in rows
    ]
