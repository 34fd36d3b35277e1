"""A folder of labelme's JSON files, one for each image.

Shapes of one label and `group_id` are the parts of one instance. Polygons, rectangles
(also turned ones), circles and masks have an area; lines and points are left out.
"""

import base64
import binascii
import math
import os
import posixpath

import cv2
import numpy as np

from tfmask.config import DataConfig
from tfmask.data.convert.records import (
    Records,
    ellipse,
    files_below,
    placed,
    points_of,
    read_json,
    rectangle,
    union,
)
from tfmask.data.dataset import Dataset
from tfmask.errors import DataError

_NO_CLASSES = ("__ignore__", "_background_")  # by the convention of labelme's examples


class _Bad(Exception):
    """A shape that has no area that can be read."""


def read(path: str, images: str, options: DataConfig, log=print) -> Dataset:
    """Reads all JSON files below a folder.

    Args:
      path: the folder.
      images: the image folder, where `imagePath` leads elsewhere: the images' names
        alone are looked for in it.
      options: `exif` is how images are turned.
      log: not used: all that is to be said stands in the problems.

    Raises:
      DataError: there is no file of labelme.
    """
    records = Records(path, images or path)
    for name in files_below(path, (".json",)):
        try:
            content = read_json(os.path.join(path, name))
        except DataError as error:
            records.leave_out(name, error.kind, str(error))
            continue
        if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
            message = "is no file of labelme: expected an object with shapes"
            records.leave_out(name, "file_missing_key", message)
            continue
        _read_file(records, name, content, bool(images))
    return records.to_dataset(options, "labelme")


def _read_file(records: Records, name: str, content: dict, elsewhere: bool) -> None:
    picture = content.get("imagePath")
    if not isinstance(picture, str) or not picture:
        message = f"imagePath is {picture!r}: expected the name of the image"
        records.leave_out(name, "image_bad_file_name", message)
        return
    picture = picture.replace("\\", "/")
    if elsewhere:
        picture = posixpath.basename(picture)
    else:
        picture = posixpath.normpath(posixpath.join(posixpath.dirname(name), picture))
    height, width = content.get("imageHeight"), content.get("imageWidth")
    size = None
    if type(height) is int and type(width) is int and min(height, width) > 0:
        size = height, width
    records.add_image(picture, size)
    groups: dict[tuple, list] = {}
    for number, shape in enumerate(content["shapes"], 1):
        where = f"{name}, shape {number}"
        label = shape.get("label") if isinstance(shape, dict) else None
        if not isinstance(label, str) or not label:
            records.leave_out(where, "unknown_category", "it has no label")
            continue
        if label in _NO_CLASSES:
            continue
        try:
            part = _part(shape, size)
        except _Bad as error:
            records.leave_out(where, "segmentation_missing", str(error))
            continue
        group = shape.get("group_id")
        key = (label, number if group is None else f"group {group}")
        groups.setdefault(key, []).append((where, part))
    for (label, _), members in groups.items():
        parts = [part for _, part in members]
        records.add(members[0][0], picture, label, union(parts, size))


def _part(shape: dict, size):
    """The polygon or run-length code of a shape.

    Raises:
      _Bad: it has none.
    """
    kind = shape.get("shape_type") or "polygon"
    points = points_of(shape.get("points"))
    if points is None:
        raise _Bad("its points are no list of [x, y] with finite numbers")
    if kind in ("polygon", "oriented_rectangle"):
        return points
    if kind not in ("rectangle", "circle", "mask"):
        raise _Bad(f"a {kind} has no area: expected polygon, rectangle, circle or mask")
    if len(points) != 4:
        raise _Bad(f"a {kind} of {len(points) // 2} points: expected two")
    x1, y1, x2, y2 = points
    if kind == "rectangle":
        return rectangle(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    if kind == "circle":  # its middle and a point on it
        radius = math.hypot(x2 - x1, y2 - y1)
        return ellipse(x1, y1, radius, radius)
    if size is None:
        raise _Bad("a mask needs imageHeight and imageWidth")
    return placed(_decoded(shape.get("mask")), round(x1), round(y1), size)


def _decoded(value) -> np.ndarray:
    """The pixels of a mask: a PNG in base64, of the part of the image at its points."""
    try:
        data = base64.b64decode(value or "", validate=True)
    except (TypeError, ValueError, binascii.Error):
        data = b""
    crop = None
    if data:
        crop = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if crop is None:
        raise _Bad("its mask is no PNG in base64")
    return crop
