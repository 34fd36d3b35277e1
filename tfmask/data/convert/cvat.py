"""`CVAT for images 1.1`: an XML file with the shapes of all images.

It keeps what CVAT's COCO export loses: ellipses, turned boxes, and masks that are no
crowds. Shapes of one label and group are the parts of one instance.
"""

import math
import os
import xml.etree.ElementTree as ElementTree

import numpy as np

from tfmask.config import DataConfig
from tfmask.data.convert.records import Records, ellipse, placed, rectangle, union
from tfmask.data.dataset import Dataset
from tfmask.errors import DataError

_SHAPES = ("polygon", "box", "ellipse", "mask")
_OTHERS = ("polyline", "points", "cuboid", "skeleton", "tag")  # without an area


class _Bad(Exception):
    """A shape that cannot be read."""


def read(path: str, images: str, options: DataConfig, log=print) -> Dataset:
    """Reads an export of CVAT.

    Args:
      path: `annotations.xml`, or the folder that holds it.
      images: the image folder; default `images` beside the file.
      options: `exif` is how images are turned.
      log: not used: all that is to be said stands in the problems.

    Raises:
      DataError: it is no such file.
    """
    if os.path.isdir(path):
        path = os.path.join(path, "annotations.xml")
    root = _parse(path)
    folder = images or os.path.join(os.path.dirname(path), "images")
    if not images and not os.path.isdir(folder):
        folder = os.path.dirname(path) or os.curdir
    records = Records(path, folder)
    records.add_classes(
        [e.text.strip() for e in root.iterfind("./meta//label/name") if e.text]
    )
    for image in root.iterfind("image"):
        _read_image(records, os.path.basename(path), image)
    for track in root.iterfind("track"):
        where = f"{os.path.basename(path)}, track {track.get('id')}"
        records.leave_out(
            where,
            "video",
            "is of a video: export the task as CVAT for images 1.1, which has a shape "
            "for each frame",
        )
    return records.to_dataset(options, "cvat")


def _parse(path: str) -> ElementTree.Element:
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", "file_missing") from None
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: not usable XML: {error}", "file_not_xml") from None
    if root.tag != "annotations":
        raise DataError(
            f"{path}: the outermost element is {root.tag}: expected annotations, as "
            "CVAT for images 1.1 has it",
            "file_not_cvat",
        )
    return root


def _read_image(records: Records, file: str, image: ElementTree.Element) -> None:
    name = image.get("name") or ""
    where = f"{file}, image {image.get('id')} ({name})"
    try:
        size = int(image.get("height", "")), int(image.get("width", ""))
    except ValueError:
        size = 0, 0
    if not name or min(size) < 1:
        message = "has no name, or no width and height: expected all three"
        records.leave_out(where, "image_bad_size", message)
        return
    records.add_image(name, size)
    groups: dict[tuple, list] = {}
    for number, shape in enumerate(image, 1):
        place = f"{where}, shape {number} ({shape.tag})"
        label = shape.get("label")
        if shape.tag in _OTHERS:
            if shape.tag != "tag":  # it is of the whole image
                message = f"has no area: expected one of {', '.join(_SHAPES)}"
                records.leave_out(place, "segmentation_missing", message)
            continue
        if not label:
            records.leave_out(place, "unknown_category", "it has no label")
            continue
        try:
            part = _part(shape, size)
        except _Bad as error:
            records.leave_out(place, "segmentation_bad", str(error))
            continue
        group = shape.get("group_id", "0")
        key = (label, f"group {group}" if group != "0" else number)
        groups.setdefault(key, []).append((place, part))
    for (label, _), members in groups.items():
        parts = [part for _, part in members]
        records.add(members[0][0], name, label, union(parts, size))


def _part(shape: ElementTree.Element, size: tuple[int, int]):
    """The polygon or run-length code of a shape.

    Raises:
      _Bad: it cannot be read.
    """
    if shape.tag == "polygon":
        return _points(shape.get("points", ""))
    if shape.tag == "ellipse":
        cx, cy, rx, ry = (_number(shape, key) for key in ("cx", "cy", "rx", "ry"))
        return ellipse(cx, cy, rx, ry, _turn(shape))
    if shape.tag == "box":
        corners = (_number(shape, key) for key in ("xtl", "ytl", "xbr", "ybr"))
        return _turned(rectangle(*corners), _turn(shape))
    if shape.tag == "mask":
        return _mask(shape, size)
    raise _Bad(f"is no known shape: expected one of {', '.join(_SHAPES)}")


def _points(text: str) -> list[float]:
    try:
        flat = [float(v) for pair in text.split(";") for v in pair.split(",")]
    except ValueError:
        flat = []
    if len(flat) < 6 or len(flat) % 2:
        raise _Bad(f"points is {text[:40]!r}: expected x,y;x,y;x,y with 3 or more")
    return flat


def _number(shape: ElementTree.Element, key: str) -> float:
    try:
        value = float(shape.get(key, ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _Bad(f"{key} is {shape.get(key)!r}: expected a number")
    return value


def _turn(shape: ElementTree.Element) -> float:
    """Radians, clockwise."""
    return math.radians(_number(shape, "rotation")) if shape.get("rotation") else 0.0


def _turned(outline: list[float], turn: float) -> list[float]:
    """An outline turned about the middle of its box."""
    if not turn:
        return outline
    points = np.array(outline).reshape(-1, 2)
    middle = (points.min(0) + points.max(0)) / 2
    cos, sin = math.cos(turn), math.sin(turn)
    x, y = (points - middle).T
    turned = np.stack([x * cos - y * sin, x * sin + y * cos], 1) + middle
    return turned.ravel().tolist()


def _mask(shape: ElementTree.Element, size: tuple[int, int]):
    """A mask of a part of the image: runs along its rows, first of zeros."""
    left, top, width, height = (
        round(_number(shape, key)) for key in ("left", "top", "width", "height")
    )
    try:
        counts = np.array([int(n) for n in shape.get("rle", "").split(",")], np.int64)
    except (OverflowError, ValueError):
        counts = np.array([-1])
    pixels = width * height
    if min(width, height) < 1 or pixels > 4 * size[0] * size[1]:
        raise _Bad(f"its part of the image has {width} x {height} pixels")
    if counts.min() < 0 or counts.sum() != pixels:
        raise _Bad(
            f"rle adds up to {int(counts.sum())}: expected the {pixels} pixels of "
            f"{width} x {height}"
        )
    values = (np.arange(len(counts)) & 1).astype(np.uint8)
    return placed(np.repeat(values, counts).reshape(height, width), left, top, size)
