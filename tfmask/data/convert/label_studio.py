"""Label Studio's JSON export: polygons, brush masks, ellipses and rectangles.

It keeps what its COCO export loses: brush masks (in a run-length code of its own) and
ellipses. Of several annotations of a task the first that was not cancelled is taken.
"""

import math
import os
import re
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from tfmask.config import DataConfig
from tfmask.data.coco import segmentation as seg
from tfmask.data.convert.records import (
    Records,
    ellipse,
    files_below,
    is_number,
    points_of,
    read_json,
)
from tfmask.data.dataset import Dataset
from tfmask.errors import DataError

_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before a file's name
_MAX_VALUES = 400_000_000  # four for each of 100 megapixels


class _Bad(Exception):
    """A region that has no area that can be read."""


def read(path: str, images: str, options: DataConfig, log=print) -> Dataset:
    """Reads an export in the format JSON.

    Args:
      path: the JSON file.
      images: the image folder; default `images` beside the file, or its own.
      options: `exif` is how images are turned.
      log: not used: all that is to be said stands in the problems.

    Raises:
      DataError: it is no such file.
    """
    tasks = read_json(path)
    if not isinstance(tasks, list) or not all(isinstance(t, dict) for t in tasks):
        raise DataError(f"{path}: expected a list of tasks", "file_not_object")
    if tasks and not any("annotations" in task for task in tasks):
        raise DataError(
            f"{path}: no task has annotations: expected the export format JSON (not "
            "JSON-MIN)",
            "file_missing_key",
        )
    beside = os.path.dirname(os.path.abspath(path))
    inner = os.path.join(beside, "images")
    folder = images or (inner if os.path.isdir(inner) else beside)
    records = Records(path, folder)
    files = set(files_below(folder, ("",)))
    for index, task in enumerate(tasks, 1):
        key = task.get("id", f"number {index}")
        _read_task(records, f"{os.path.basename(path)}, task {key}", task, files)
    return records.to_dataset(options, "label_studio")


def _read_task(records: Records, where: str, task: dict, files: set[str]) -> None:
    data = task.get("data")
    picture = _picture(data if isinstance(data, dict) else {}, files)
    if not picture:
        message = "data has no image: expected its address, e.g. under image"
        records.leave_out(where, "image_bad_file_name", message)
        return
    done = [
        a
        for a in task.get("annotations") or ()
        if isinstance(a, dict) and not a.get("was_cancelled")
    ]
    regions = done[0].get("result") if done else None
    regions = [r for r in regions or () if isinstance(r, dict)]
    sizes = [(r.get("original_height"), r.get("original_width")) for r in regions]
    size = next((s for s in sizes if type(s[0]) is int and type(s[1]) is int), None)
    records.add_image(picture, size)
    if len(done) > 1:
        message = f"has {len(done)} annotations: the first is taken"
        records.warn(where, "several_annotations", message)
    labels = _labels(regions)
    for number, region in enumerate(regions, 1):
        kind = region.get("type")
        if kind in ("labels", "choices", "relation", "textarea", "rating", "number"):
            continue  # of another region, or of the whole image
        place = f"{where}, region {number} ({region.get('id')})"
        label = labels.get(region.get("id") or number)
        if not label:
            records.leave_out(place, "unknown_category", "it has no label")
            continue
        try:
            segmentation = _segmentation(region, kind)
        except _Bad as error:
            records.leave_out(place, "segmentation_bad", str(error))
            continue
        records.add(place, picture, label, segmentation)


def _picture(data: dict, files: set[str]) -> str:
    """The image's name as it lies in the image folder, if it does."""
    texts = [v for k, v in sorted(data.items()) if isinstance(v, str) and k != "image"]
    texts = [data["image"], *texts] if isinstance(data.get("image"), str) else texts
    suffixes = r"\.(jpe?g|png|bmp|tiff?|webp)$"
    names = [name for name in map(_path_of, texts) if re.search(suffixes, name, re.I)]
    if not names:
        return ""
    parts = names[0].replace("\\", "/").strip("/").split("/")
    tails = ["/".join(parts[i:]) for i in range(len(parts))]
    tails.append(_UPLOADED.sub("", parts[-1]))
    return next((tail for tail in tails if tail in files), tails[-2])


def _path_of(text: str) -> str:
    try:
        url = urlsplit(text)
    except ValueError:
        return text
    if url.path.endswith("/local-files/"):
        return parse_qs(url.query).get("d", [""])[0]
    return unquote(url.path)


def _labels(regions: list[dict]) -> dict:
    """The first label of each region, which may stand in another entry of its id."""
    labels: dict = {}
    for number, region in enumerate(regions, 1):
        value = region.get("value")
        for key, names in value.items() if isinstance(value, dict) else ():
            if key.endswith("labels") and isinstance(names, list) and names:
                labels.setdefault(region.get("id") or number, str(names[0]))
    return labels


def _segmentation(region: dict, kind):
    """The COCO segmentation of a region.

    Raises:
      _Bad: it has none.
    """
    value = region.get("value")
    height, width = region.get("original_height"), region.get("original_width")
    if not isinstance(value, dict) or type(height) is not int or type(width) is not int:
        raise _Bad("it has no value, or no original_width and original_height")
    if min(height, width) < 1:
        raise _Bad(f"its image has {width} x {height} pixels")
    if region.get("image_rotation"):
        raise _Bad(
            f"its image was turned by {region['image_rotation']} degrees: save the "
            "image upright and annotate that"
        )
    if isinstance(value.get("rle"), list):
        return _brush(value["rle"], height, width)
    scale = width / 100, height / 100  # numbers are percent of the sides
    if "points" in value:
        points = points_of(value["points"])
        if points is None or value.get("closed") is False:
            raise _Bad("its points are no closed list of [x, y] with finite numbers")
        return [[v * scale[k % 2] for k, v in enumerate(points)]]
    keys = ("x", "y", "radiusX", "radiusY") if "radiusX" in value else ()
    keys = keys or (("x", "y", "width", "height") if "width" in value else ())
    numbers = [value[key] for key in keys if is_number(value.get(key))]
    if not keys or len(numbers) < 4:
        raise _Bad(
            f"a {kind} has no area: expected polygon, brush, ellipse or rectangle"
        )
    x, y, w, h = (v * scale[k % 2] for k, v in enumerate(numbers))
    turn = value.get("rotation") or 0
    turn = math.radians(turn) if is_number(turn) else 0.0
    if "radiusX" in value:
        return [ellipse(x, y, w, h, turn)]
    # A rectangle turns about its first corner.
    cos, sin = math.cos(turn), math.sin(turn)
    corners = ((0, 0), (w, 0), (w, h), (0, h))
    return [
        [v for a, b in corners for v in (x + a * cos - b * sin, y + a * sin + b * cos)]
    ]


def _brush(code: list, height: int, width: int) -> seg.RLE:
    """A brush mask: four values for each pixel, of which the last is the opacity."""
    values = unpack(code)
    if len(values) != 4 * height * width:
        raise _Bad(
            f"its rle has {len(values)} values: expected four for each of the {width} "
            f"x {height} pixels"
        )
    return seg.from_mask(values.reshape(height, width, 4)[..., 3])


def unpack(code: list) -> np.ndarray:
    """The values of Label Studio's run-length code (that of the package rle-pack).

    A stream of bits: the number of values (32 bits), the bits of a value less one (5),
    four sizes less one (4 each); then packets. A packet is 1 bit (a value repeated, or
    values one by one), 2 bits that choose a size, as many bits with the count less one,
    and the value or values.

    Returns:
      [n] uint8.

    Raises:
      _Bad: it is damaged.
    """
    if not code or not all(type(v) is int and 0 <= v <= 255 for v in code):
        raise _Bad("its rle is no list of bytes")
    bits = np.unpackbits(np.array(code, np.uint8))
    position = 0

    def take(count: int) -> int:
        nonlocal position
        if position + count > len(bits):
            raise _Bad("its rle ends early (truncated)")
        number = int("".join("01"[b] for b in bits[position : position + count]), 2)
        position += count
        return number

    total, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    if total > _MAX_VALUES or word != 8:
        raise _Bad(f"its rle is of {total} values of {word} bits: expected 8 bits each")
    values = np.zeros(total, np.uint8)
    done = 0
    while done < total:
        repeated = take(1)
        count = take(sizes[take(2)]) + 1
        end = min(done + count, total)
        if repeated:
            values[done:end] = take(word)
        else:
            window = bits[position : position + word * (end - done)]
            if len(window) < word * (end - done):
                raise _Bad("its rle ends early (truncated)")
            values[done:end] = np.packbits(window)
            position += word * (end - done)
        done = end
    return values
