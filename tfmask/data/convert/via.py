"""VGG Image Annotator: JSON exports and projects of version 1 and version 2.

Regions are a dict (version 1) or a list (version 2). The class is the region attribute
that all regions share; without any attribute there is one class, `object`.
"""

import math
import os
from collections import Counter

from tfmask.config import DataConfig
from tfmask.data.convert.records import (
    Records,
    ellipse,
    is_number,
    read_json,
    rectangle,
)
from tfmask.data.dataset import Dataset
from tfmask.errors import DataError

_USUAL = ("class", "label", "name", "type", "category", "object")
_ONLY = "object"  # the class where regions have no attributes


class _Bad(Exception):
    """A region that has no area that can be read."""


def read(path: str, images: str, options: DataConfig, log=print) -> Dataset:
    """Reads an annotation export or a project.

    Args:
      path: the JSON file, or a folder that holds `via_region_data.json`.
      images: the image folder; default that of the file.
      options: `exif` is how images are turned.
      log: not used: all that is to be said stands in the problems.

    Raises:
      DataError: it is no such file.
    """
    if os.path.isdir(path):
        path = os.path.join(path, "via_region_data.json")
    files = _files(path, read_json(path))
    records = Records(path, images or os.path.dirname(path) or os.curdir)
    file = os.path.basename(path)
    regions = []
    for key, entry in files.items():
        name = entry.get("filename") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            records.leave_out(
                f"{file}, {key}", "image_bad_file_name", "has no filename"
            )
            continue
        records.add_image(name)
        listed = entry.get("regions") or ()
        pairs = listed.items() if isinstance(listed, dict) else enumerate(listed)
        regions += [(f"{file}, {name}, region {n}", name, r) for n, r in pairs]
    attribute = _class_attribute([region for _, _, region in regions])
    if attribute is None and regions:
        message = f"regions have no attributes: all are of the class {_ONLY!r}"
        records.warn(file, "no_classes", message)
    for where, name, region in regions:
        try:
            label = _label(region, attribute)
            outline = _outline(region)
        except _Bad as error:
            records.leave_out(where, "region_bad", str(error))
            continue
        records.add(where, name, label, [outline])
    return records.to_dataset(options, "via")


def _files(path: str, content) -> dict:
    if isinstance(content, dict) and "_via_img_metadata" in content:
        content = content["_via_img_metadata"]
    if isinstance(content, dict) and {"project", "metadata", "file"} <= content.keys():
        raise DataError(
            f"{path}: is a project of VIA 3: expected version 1 or 2; export it from "
            "there as COCO",
            "file_not_via",
        )
    if not isinstance(content, dict) or not any(
        isinstance(entry, dict) and "regions" in entry for entry in content.values()
    ):
        raise DataError(
            f"{path}: is no JSON of VIA: expected an object with filename and regions "
            "of each image",
            "file_not_via",
        )
    return content


def _class_attribute(regions: list) -> str | None:
    """The attribute that most regions have; of equal ones the usual name of a class."""
    counts: Counter = Counter()
    for region in regions:
        attributes = region.get("region_attributes") if isinstance(region, dict) else 0
        counts.update(list(attributes) if isinstance(attributes, dict) else [])
    if not counts:
        return None
    most = max(counts.values())
    shared = [key for key, count in counts.items() if count == most]
    return next((key for key in _USUAL if key in shared), shared[0])


def _label(region, attribute: str | None) -> str:
    if attribute is None:
        return _ONLY
    attributes = region.get("region_attributes") if isinstance(region, dict) else None
    value = attributes.get(attribute) if isinstance(attributes, dict) else None
    if isinstance(value, dict):  # checkboxes: {"cat": true}
        chosen = [key for key, ticked in value.items() if ticked]
        if len(chosen) != 1:
            raise _Bad(f"{attribute} has {len(chosen)} boxes ticked: expected one")
        return chosen[0]
    if not isinstance(value, str) or not value.strip():
        raise _Bad(f"region_attributes has no {attribute!r}, which is the class")
    return value.strip()


def _outline(region) -> list[float]:
    """x, y, x, y, ... of a region."""
    shape = region.get("shape_attributes") if isinstance(region, dict) else None
    if not isinstance(shape, dict):
        raise _Bad("it has no shape_attributes")
    kind = shape.get("name")
    if kind in ("polygon", "polyline"):
        return _polygon(shape, kind)
    if kind == "rect":
        x, y, width, height = _numbers(shape, "x", "y", "width", "height")
        return rectangle(x, y, x + width, y + height)
    if kind == "circle":
        cx, cy, radius = _numbers(shape, "cx", "cy", "r")
        return ellipse(cx, cy, radius, radius)
    if kind == "ellipse":
        cx, cy, rx, ry = _numbers(shape, "cx", "cy", "rx", "ry")
        turn = shape.get("theta", 0)
        return ellipse(cx, cy, rx, ry, turn if is_number(turn) else 0.0)
    raise _Bad(f"a {kind} has no area: expected polygon, rect, circle or ellipse")


def _polygon(shape: dict, kind: str) -> list[float]:
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if (
        not isinstance(xs, list)
        or not isinstance(ys, list)
        or len(xs) != len(ys)
        or not all(map(is_number, [*xs, *ys]))
    ):
        raise _Bad("all_points_x and all_points_y are no lists of as many numbers")
    if kind == "polyline" and (
        len(xs) < 4 or math.dist((xs[0], ys[0]), (xs[-1], ys[-1])) > 1
    ):
        raise _Bad("a polyline that is not closed has no area")
    return [float(v) for pair in zip(xs, ys) for v in pair]


def _numbers(shape: dict, *keys: str) -> list[float]:
    values = [float(shape[key]) for key in keys if is_number(shape.get(key))]
    if len(values) < len(keys):
        given = [shape.get(key) for key in keys]
        raise _Bad(f"{', '.join(keys)} are {given}: expected numbers")
    return values
