"""The checks of one annotation, in the order in which a record becomes an instance."""

from typing import NamedTuple

import numpy as np

from tfmask.data.coco import segmentation as seg
from tfmask.errors import SegmentationError


class Instance(NamedTuple):
    """A usable annotation."""

    annotation_id: int | str | None
    label: int  # 1..K
    box: np.ndarray  # [4] float32 x1, y1, x2, y2, inside the image
    area: float  # pixels
    crowd: bool
    segmentation: seg.Segmentation


class Fault(Exception):
    """The annotation is left out: (kind, message)."""


def check_annotation(record: dict, height: int, width: int, labels: dict, warn):
    """Turns a record into an `Instance`.

    Args:
      record: the JSON object.
      height, width: its image's.
      labels: category id -> label.
      warn: called with (kind, message) for a fault that is mended.

    Raises:
      Fault: when the record cannot be used.
    """
    label = _label(record, labels)
    crowd = record.get("iscrowd", 0)
    if crowd not in (0, 1):  # true and false pass too
        raise Fault("iscrowd_bad", f"iscrowd is {crowd!r}: expected 0 or 1")
    if "segmentation" not in record:
        raise Fault("segmentation_missing", "there is no segmentation")
    try:
        segmentation, warning = seg.parse(record["segmentation"], height, width)
    except SegmentationError as error:
        raise Fault(error.kind, str(error)) from None
    if warning:
        warn(*warning)
    reach = _reach(segmentation, height, width)
    box = _box(record, segmentation, reach, height, width, warn)
    area = _area(record, segmentation, height, width, warn)
    return Instance(record.get("id"), label, box, area, bool(crowd), segmentation)


def _label(record: dict, labels: dict) -> int:
    key = record.get("category_id")
    if type(key) in (int, str) and key in labels:
        return labels[key]
    hint = ""
    if type(key) in (int, str):
        same = [k for k in labels if str(k) == str(key)]
        hint = f" (there is {same[0]!r})" if same else ""
    raise Fault(
        "unknown_category",
        f"category_id is {key!r}, which is not among the categories{hint}",
    )


def _reach(segmentation, height: int, width: int) -> np.ndarray:
    """[4] x1, y1, x2, y2 around the outline or the runs, clipped to the image."""
    if isinstance(segmentation, seg.RLE):
        box = np.array(seg.extent(segmentation, height, width), np.float64)
        if box[2] <= box[0]:
            raise Fault("mask_empty", "the mask has no pixel")
        return box
    parts = segmentation.parts
    points = parts[0] if len(parts) == 1 else np.concatenate(parts)
    x1, y1 = points.min(0).tolist()
    x2, y2 = points.max(0).tolist()
    if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        raise Fault(
            "mask_outside",
            f"the polygons lie wholly outside the image of {width} x {height} pixels",
        )
    # An outline that encloses little area, or lies partly outside, may hold no pixel.
    inside = x1 >= 0 and y1 >= 0 and x2 <= width and y2 <= height
    if not inside or sum(_enclosed(part) for part in parts) < 4:
        if not seg.area(segmentation, height, width):
            raise Fault("mask_empty", "the polygons hold no pixel of the image")
    return np.array([max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)])


def _enclosed(part: np.ndarray) -> float:
    """Area of an outline, by the shoelace formula."""
    x, y = part.T
    twice = np.dot(x[1:], y[:-1]) - np.dot(x[:-1], y[1:]) + x[0] * y[-1] - x[-1] * y[0]
    return 0.5 * abs(float(twice))


def _box(record, segmentation, reach, height, width, warn) -> np.ndarray:
    """The annotated box, clipped; the mask's own box when that cannot be right."""
    kind, message, box = _read_box(record.get("bbox"), height, width)
    if kind is None:
        x1, y1, x2, y2 = box
        far = np.abs(box - reach).max() > 2  # rounding, off by one: no fault
        if far and _iou(box, reach) < 0.5:
            # Read again as if it were x1, y1, x2, y2.
            second = np.array([x1, y1, record["bbox"][2], record["bbox"][3]])
            if _iou(second, reach) > 0.8:
                kind = "bbox_corners"
                message = "bbox looks like x1, y1, x2, y2: expected x, y, width, height"
            else:
                kind = "bbox_differs"
                message = f"bbox {record['bbox']} does not agree with the segmentation"
        elif x1 < -2 or y1 < -2 or x2 > width + 2 or y2 > height + 2:
            warn(
                "bbox_outside",
                f"bbox {record['bbox']} leaves the image of {width} x {height} pixels: "
                "it is clipped",
            )
    if kind is None:
        box = np.clip(box, 0, (width, height, width, height)).astype(np.float32)
        if box[2] - box[0] > 0 and box[3] - box[1] > 0:
            return box
        kind, message = "bbox_outside", f"bbox {record['bbox']} is outside the image"
    tight = seg.tight_box(segmentation, height, width)
    if tight is None:
        raise Fault("mask_empty", "the mask has no pixel")
    warn(kind, f"{message}; the mask's own box is used")
    return tight


def _read_box(value, height: int, width: int):
    """(kind, message, box): a kind when the value is no box at all."""
    if value is None:
        return "bbox_missing", "there is no bbox", None
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        return "bbox_bad", f"bbox is {value!r}: expected [x, y, width, height]", None
    if not all(_is_number(v) for v in value):
        return "bbox_bad", f"bbox is {value!r}: expected four finite numbers", None
    x, y, w, h = map(float, value)
    if w <= 0 or h <= 0:
        return "bbox_empty", f"bbox {value} has no extent", None
    return None, "", np.array([x, y, x + w, y + h])


def _is_number(value) -> bool:
    return type(value) in (int, float) and abs(value) < 1e12  # false for NaN


def _iou(first: np.ndarray, second: np.ndarray) -> float:
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    shared = np.prod(np.maximum(sides, 0))
    whole = np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]) - shared
    return float(shared / whole) if whole > 0 else 0.0


def _area(record, segmentation, height: int, width: int, warn) -> float:
    value = record.get("area")
    if _is_number(value) and value > 0:
        return float(value)
    kind = "area_missing" if value is None else "area_bad"
    word = "there is no area" if value is None else f"area is {value!r}"
    area = seg.area(segmentation, height, width)
    warn(kind, f"{word}: the mask's {area} pixels are used")
    return float(area)
