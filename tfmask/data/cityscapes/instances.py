"""What an annotation of one image of Cityscapes holds, from its PNG or its polygons.

Either way the annotation becomes an image of instance ids, as the authors' scripts make
it, in which each pixel belongs to one object: the one drawn last.
"""

import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw

from tfmask.data.cityscapes.labels import (
    CLASS_IDS,
    INSTANCES,
    LABEL_IDS,
    VOID_IDS,
    WITH_INSTANCES,
)
from tfmask.data.coco import segmentation as seg
from tfmask.data.images.read import MAX_PIXELS, image_size
from tfmask.errors import DataError

_MOST = 2 * MAX_PIXELS**0.5  # no coordinate of a polygon is larger, in pixels


class Regions(NamedTuple):
    """The objects of one image, n of them by ascending instance id."""

    instance_ids: list[int]
    label_ids: list[int]  # one of labels.CLASS_IDS each
    groups: list[bool]  # objects that are not told apart
    masks: list[seg.RLE]
    void: seg.RLE | None  # pixels that the evaluation does not judge


def read_png(path: str) -> np.ndarray:
    """The instance ids of `*_gtFine_instanceIds.png`, [height, width] uint16.

    Raises:
      DataError: naming the file.
    """
    image_size(path)  # refuses what is no image, or too large to be decoded
    ids = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if ids is None:
        raise DataError(
            f"{path}: cannot be decoded (truncated or damaged): replace the file",
            "annotation_unreadable",
        )
    if ids.dtype != np.uint16 or ids.ndim != 2:
        channels = 1 if ids.ndim == 2 else ids.shape[2]
        raise DataError(
            f"{path}: has {channels} channels of {8 * ids.dtype.itemsize} bits: "
            "expected instance ids, one channel of 16 bits",
            "instance_ids_bad",
        )
    return ids


def draw_polygons(path: str) -> np.ndarray:
    """The instance ids of `*_gtFine_polygons.json`, drawn: [height, width] int32.

    Raises:
      DataError: naming the file, and the object that is faulty.
    """
    height, width, objects = _read_json(path)
    canvas = Image.new("I", (width, height), LABEL_IDS["unlabeled"])
    draw = ImageDraw.Draw(canvas)
    numbers = dict.fromkeys(WITH_INSTANCES, 0)
    for index, item in enumerate(objects):
        where = f"{path}: object {index + 1}"
        if not isinstance(item, dict):
            raise DataError(f"{where} is no object", "polygon_bad")
        if item.get("deleted"):
            continue
        name, is_group = _label(item.get("label"), where)
        value = LABEL_IDS[name]
        if name in numbers and not is_group:
            value = value * INSTANCES + numbers[name]
            numbers[name] += 1
        if value >= 0:
            draw.polygon(_points(item.get("polygon"), where, name), fill=value)
    return np.array(canvas, np.int32)


def find_regions(ids: np.ndarray, path: str) -> Regions:
    """The objects of the instance task in an image of instance ids.

    Args:
      ids: [height, width] integers.
      path: where they come from, for messages.

    Raises:
      DataError: there are ids that Cityscapes does not have.
    """
    height, width = ids.shape
    flat = ids.T.ravel()  # run-length codes go down the columns
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    stops = np.append(starts[1:], flat.size)
    values = flat[starts].astype(np.int64)
    found = np.unique(values)
    _check_ids(found, path)
    order = np.argsort(values, kind="stable")
    runs_of = np.split(order, np.searchsorted(values[order], found)[1:])
    instance_ids, label_ids, masks = [], [], []
    for value, runs in zip(found.tolist(), runs_of):
        label_id = value if value < INSTANCES else value // INSTANCES
        if label_id in CLASS_IDS:
            instance_ids.append(value)
            label_ids.append(label_id)
            masks.append(_rle(starts[runs], stops[runs], height, width))
    groups = [value < INSTANCES for value in instance_ids]
    void = _void(starts, stops, values, height, width)
    return Regions(instance_ids, label_ids, groups, masks, void)


def _read_json(path: str) -> tuple[int, int, list]:
    """Height, width, objects."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", "annotation_missing") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}", "file_not_json") from None
    fields = content if isinstance(content, dict) else {}
    sizes = fields.get("imgHeight"), fields.get("imgWidth")
    height, width = (v if type(v) is int else 0 for v in sizes)
    objects = fields.get("objects")
    sized = min(height, width) > 0 and height * width <= MAX_PIXELS
    if not sized or not isinstance(objects, list):
        raise DataError(
            f"{path}: expected imgHeight and imgWidth in pixels and a list of objects",
            "polygons_bad",
        )
    return height, width, objects


def _label(name, where: str) -> tuple[str, bool]:
    """The label, and whether it is that of a group: `cargroup`."""
    if isinstance(name, str):
        if name in LABEL_IDS:
            return name, False
        single = name.removesuffix("group")
        if single != name and single in LABEL_IDS:
            return single, True
    raise DataError(
        f"{where} has the label {name!r}: expected one of Cityscapes, e.g. 'car' or "
        "'cargroup'",
        "unknown_label",
    )


def _points(polygon, where: str, name: str) -> list[tuple]:
    sound = isinstance(polygon, list) and len(polygon) >= 2
    for point in polygon if sound else ():
        sound = sound and isinstance(point, list) and len(point) == 2
        sound = sound and all(type(v) in (int, float) and abs(v) < _MOST for v in point)
    if not sound:
        raise DataError(
            f"{where} ({name}): its polygon is no list of points [x, y] in pixels",
            "polygon_bad",
        )
    return [tuple(point) for point in polygon]


def _check_ids(found: np.ndarray, path: str) -> None:
    labels = np.where(found < INSTANCES, found, found // INSTANCES)
    instances = [LABEL_IDS[name] for name in WITH_INSTANCES]
    known = np.isin(labels, list(LABEL_IDS.values()))
    known &= (found < INSTANCES) | np.isin(labels, instances)
    if not known.all():
        shown = ", ".join(map(str, found[~known][:3].tolist()))
        raise DataError(
            f"{path}: holds ids that Cityscapes does not have ({shown}): expected "
            "label ids, and label id * 1000 + number for instances",
            "instance_ids_bad",
        )


def _void(starts, stops, values, height: int, width: int) -> seg.RLE | None:
    """The void pixels."""
    void = np.isin(values, VOID_IDS)
    if not void.any():
        return None
    starts, stops = starts[void], stops[void]
    apart = stops[:-1] < starts[1:]  # runs of two void labels may touch
    starts = starts[np.concatenate([[True], apart])]
    stops = stops[np.concatenate([apart, [True]])]
    return _rle(starts, stops, height, width)


def _rle(starts, stops, height: int, width: int) -> seg.RLE:
    """Run lengths of the pixels in runs, which are ascending and do not touch."""
    edges = np.concatenate([[0], np.stack([starts, stops], 1).ravel()])
    if edges[-1] < height * width:
        edges = np.append(edges, height * width)
    return seg.RLE(np.diff(edges).astype(np.int32), height, width)
