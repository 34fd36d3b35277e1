"""The checks of one annotation, in the order in which a record becomes an instance.

First its label and its mask are made sound (`outline`). How its box is to be read is
then judged for the whole file (`corner_votes`), because a corner box near the origin
looks like x, y, width, height; last the box and the area are checked (`complete`).
"""

from typing import NamedTuple

import numpy as np

from tfmask.data.coco import segmentation as seg
from tfmask.errors import SegmentationError

# Boxes are plain tuples x1, y1, x2, y2: numpy takes ten times as long on four numbers.
Box = tuple[float, float, float, float]
_ROUNDING = 2.0  # pixels by which a box may be off: rounding, off by one
_SAME = 0.99  # share of a box inside the image from which it counts as not clipped


class Outline(NamedTuple):
    """An annotation whose label and mask are sound."""

    record: dict
    label: int  # 1..K
    crowd: bool
    segmentation: seg.Segmentation
    reach: Box  # around the mask as annotated: it may leave the image
    values: tuple  # the four numbers of the box; empty where they are no box
    box_fault: tuple[str, str] | None  # (kind, message) where they are no box
    # How well the box fits the mask inside the image (IoU), read as x, y, width, height
    # and as x1, y1, x2, y2.
    fits: tuple[float, float]


class Instance(NamedTuple):
    """A usable annotation."""

    annotation_id: int | str | None
    label: int  # 1..K; 0: of no class, see data.dataset
    box: np.ndarray  # [4] float32 x1, y1, x2, y2, inside the image
    # x, y, width, height for metrics: as annotated unless it was mended.
    annotated_box: Box
    area: float  # pixels; as annotated unless it or the box was mended
    crowd: bool
    segmentation: seg.Segmentation


class Fault(Exception):
    """The record is left out, for a reason that a Problem names."""

    def __init__(self, kind: str, message: str):
        super().__init__(kind, message)
        self.kind = kind
        self.message = message


def outline(record: dict, height: int, width: int, labels: dict, warn) -> Outline:
    """Checks label, crowd flag and mask.

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
    values: tuple = ()
    fits = 0.0, 0.0
    fault = _box_fault(record.get("bbox"))
    if fault is None:
        values = tuple(record["bbox"])
        inside = _clip(reach, height, width)
        sized = _clip(_corners(values, False), height, width)
        cornered = _clip(_corners(values, True), height, width)
        fits = _iou(sized, inside), _iou(cornered, inside)
    return Outline(record, label, bool(crowd), segmentation, reach, values, fault, fits)


def corner_votes(outlined: Outline) -> int:
    """What a box says of the file's: 1 for x1, y1, x2, y2, -1 for x, y, width, height.

    0 where nothing can be told. It speaks for the reading that fits its mask, if that
    fits better than the other.
    """
    sized, cornered = outlined.fits
    if max(sized, cornered) < 0.8 or abs(sized - cornered) < 0.05:
        return 0
    return 1 if cornered > sized else -1


def complete(
    outlined: Outline, height: int, width: int, as_corners: bool, warn
) -> Instance:
    """Checks box and area.

    Args:
      outlined: from `outline`.
      height, width: the image's.
      as_corners: the file's boxes are x1, y1, x2, y2.
      warn: called with (kind, message) for a fault that is mended.

    Raises:
      Fault: when the mask has no pixel.
    """
    record, segmentation = outlined.record, outlined.segmentation
    box, mended = _box(outlined, height, width, as_corners, warn)
    if mended:
        x1, y1, x2, y2 = box.tolist()
        annotated = (x1, y1, x2 - x1, y2 - y1)
    else:
        x, y, w, h = map(float, record["bbox"])
        annotated = (x, y, w, h)
    area = _area(record, segmentation, height, width, mended, warn)
    return Instance(
        record.get("id"),
        outlined.label,
        box,
        annotated,
        area,
        outlined.crowd,
        segmentation,
    )


def region_to_ignore(
    record: dict, height: int, width: int, labels: dict, as_corners: bool
) -> Instance | None:
    """The box of a faulty record as a region to ignore; None where that is unsound.

    Of its class, or where that is unknown of every class.

    Args:
      record: the JSON object.
      height, width: its image's.
      labels: category id -> label.
      as_corners: the file's boxes are x1, y1, x2, y2.
    """
    if _box_fault(record.get("bbox")) is not None:
        return None
    box = _clip(_corners(record["bbox"], as_corners), height, width)
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        return None
    try:
        label = _label(record, labels)
    except Fault:
        label = 0
    outlined, _ = seg.parse([[x1, y1, x2, y1, x2, y2, x1, y2]], height, width)
    annotated = (x1, y1, x2 - x1, y2 - y1)
    annotation_id = record.get("id")
    return Instance(
        annotation_id if type(annotation_id) in (int, str) else None,
        label,
        np.array(box, np.float32),
        annotated,
        _extent(box),
        True,
        outlined,
    )


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


def _reach(segmentation, height: int, width: int) -> Box:
    """The box around the outline or the runs."""
    if isinstance(segmentation, seg.RLE):
        x1, y1, x2, y2 = map(float, seg.extent(segmentation, height, width))
        if x2 <= x1:
            raise Fault("mask_empty", "the mask has no pixel")
        return x1, y1, x2, y2
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
    return x1, y1, x2, y2


def _enclosed(part: np.ndarray) -> float:
    """Area of an outline, by the shoelace formula."""
    x, y = part.T
    twice = np.dot(x[1:], y[:-1]) - np.dot(x[:-1], y[1:]) + x[0] * y[-1] - x[-1] * y[0]
    return 0.5 * abs(float(twice))


# --- boxes ----------------------------------------------------------------------------


def _box(
    outlined: Outline, height: int, width: int, as_corners: bool, warn
) -> tuple[np.ndarray, bool]:
    """[4] float32 x1, y1, x2, y2 inside the image, and whether it was mended.

    The annotated box, clipped, or the mask's own box when that cannot be right. Box and
    mask are compared inside the image: both may leave it.
    """
    values = outlined.values
    if outlined.box_fault is not None:
        kind, message = outlined.box_fault
    else:
        annotated = _corners(values, as_corners)
        box = _clip(annotated, height, width)
        fit, other = outlined.fits[as_corners], outlined.fits[not as_corners]
        alone = _leaves_alone(annotated, outlined.reach, height, width)
        agrees = fit >= 0.5 or _is_near(box, _clip(outlined.reach, height, width))
        if agrees and not (alone and other > fit):
            if box[2] > box[0] and box[3] > box[1]:
                if alone:
                    warn("bbox_outside", _clipped(annotated, height, width))
                kept = _extent(box) >= _SAME * _extent(annotated)
                return np.array(box, np.float32), as_corners or not kept
            kind, message = "bbox_outside", f"bbox {[*values]} is outside the image"
        elif other > 0.8:
            kind = "bbox_corners"
            message = (
                "bbox looks like x, y, width, height, unlike the file's other boxes"
                if as_corners
                else "bbox looks like x1, y1, x2, y2: expected x, y, width, height"
            )
        else:
            kind = "bbox_differs"
            message = f"bbox {[*values]} does not agree with the segmentation"
    tight = seg.tight_box(outlined.segmentation, height, width)
    if tight is None:
        raise Fault("mask_empty", "the mask has no pixel")
    warn(kind, f"{message}; the mask's own box is used")
    return tight, True


def _leaves_alone(annotated: Box, reach: Box, height: int, width: int) -> bool:
    """Whether a box leaves the image where its mask does not."""
    x1, y1, x2, y2 = annotated
    beyond = (-x1, -y1, x2 - width, y2 - height)
    if max(beyond) <= _ROUNDING:
        return False
    masks = (-reach[0], -reach[1], reach[2] - width, reach[3] - height)
    return any(b - max(m, 0) > _ROUNDING for b, m in zip(beyond, masks))


def _clipped(annotated: Box, height: int, width: int) -> str:
    x1, y1, x2, y2 = annotated
    return (
        f"the box from {x1:g}, {y1:g} to {x2:g}, {y2:g} leaves the image of {width} x "
        f"{height} pixels, its mask does not: it is clipped"
    )


def _box_fault(value) -> tuple[str, str] | None:
    """(kind, message) where a value is no box at all."""
    if value is None:
        return "bbox_missing", "there is no bbox"
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        return "bbox_bad", f"bbox is {value!r}: expected [x, y, width, height]"
    if not all(map(_is_number, value)):
        return "bbox_bad", f"bbox is {value!r}: expected four finite numbers"
    if value[2] <= 0 or value[3] <= 0:
        return "bbox_empty", f"bbox {value} has no extent"
    return None


def _is_near(first: Box, second: Box) -> bool:
    return max(abs(a - b) for a, b in zip(first, second)) <= _ROUNDING


def _corners(values, as_corners: bool) -> Box:
    """The four numbers by one reading or the other."""
    x, y, third, fourth = values
    if as_corners:
        return x, y, third, fourth
    return x, y, x + third, y + fourth


def _clip(box: Box, height: int, width: int) -> Box:
    x1, y1, x2, y2 = box
    return (
        min(max(x1, 0), width),
        min(max(y1, 0), height),
        min(max(x2, 0), width),
        min(max(y2, 0), height),
    )


def _iou(first: Box, second: Box) -> float:
    """0 where the first is no box, which a wrong reading can give."""
    x = min(first[2], second[2]) - max(first[0], second[0])
    y = min(first[3], second[3]) - max(first[1], second[1])
    if x <= 0 or y <= 0 or first[2] <= first[0] or first[3] <= first[1]:
        return 0.0
    return x * y / (_extent(first) + _extent(second) - x * y)


def _extent(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _is_number(value) -> bool:
    return type(value) in (int, float) and abs(value) < 1e12  # false for NaN


def _area(
    record: dict, segmentation, height: int, width: int, mended: bool, warn
) -> float:
    """The annotated area; the mask's pixels where it, or the box, cannot be right."""
    value = record.get("area")
    if value is not None and _is_number(value) and value > 0:
        if not mended:
            return float(value)
        return float(seg.area(segmentation, height, width))
    kind = "area_missing" if value is None else "area_bad"
    word = "there is no area" if value is None else f"area is {value!r}"
    area = seg.area(segmentation, height, width)
    warn(kind, f"{word}: the mask's {area} pixels are used")
    return float(area)
