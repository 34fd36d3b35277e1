"""Segmentation labels of YOLO: a text file for each image, a line for each instance.

A line is the class and an outline, `k x1 y1 x2 y2 ...`, as shares of the image's sides.
Folders `images` and `labels` lie side by side (`images/train/a.jpg` and
`labels/train/a.txt`). The names of the classes stand in `names` of a YAML file or, one
on each line, in `classes.txt`, there or in a folder above.
"""

import json
import os
import re

from tfmask.config import DataConfig
from tfmask.data.convert.records import (
    IMAGE_SUFFIXES,
    Records,
    by_stem,
    files_below,
)
from tfmask.data.dataset import Dataset
from tfmask.data.images.read import image_size
from tfmask.errors import DataError, ImageError

_TOLERANCE = 0.01  # by which a share may leave 0..1


def read(path: str, images: str, options: DataConfig, log=print) -> Dataset:
    """Reads a folder of labels and images.

    Args:
      path: the folder that holds `images` and `labels`, or the labels' folder itself.
      images: the image folder; default `images` in place of `labels`.
      options: `exif` is how images are turned.
      log: not used: all that is to be said stands in the problems.

    Raises:
      DataError: there are no labels, images or class names.
    """
    labels = os.path.join(path, "labels")
    if not os.path.isdir(labels):
        labels = path
    folder = images or _images_of(labels)
    names = _class_names(path)
    pictures = by_stem(files_below(folder, IMAGE_SUFFIXES))
    records = Records(path, folder)
    records.add_classes([names[key] for key in sorted(names)])
    for picture in pictures.values():
        records.add_image(picture)
    for name in files_below(labels, (".txt",)):
        stem = os.path.splitext(name)[0]
        if stem in pictures:
            _read_file(records, labels, name, pictures[stem], names, options.exif)
        elif os.path.basename(name) != "classes.txt":
            message = f"there is no image {stem}.* in {folder}"
            records.leave_out(name, "unknown_image", message)
    return records.to_dataset(options, "yolo")


def _read_file(records, folder, name, picture, names, exif) -> None:
    try:
        height, width = image_size(os.path.join(records.folder, picture), exif)
    except ImageError:
        return  # the image is left out, and its labels with it
    try:
        with open(os.path.join(folder, name), encoding="utf-8-sig") as stream:
            lines = stream.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        records.leave_out(name, "file_unreadable", f"cannot be read: {error}")
        return
    for number, line in enumerate(lines, 1):
        words = line.split()
        where = f"{name}, line {number}"
        if not words:
            continue
        if not words[0].isdecimal() or int(words[0]) not in names:
            message = f"the class {words[0]!r} has no name: expected {_range(names)}"
            records.leave_out(where, "unknown_category", message)
            continue
        fault = _fault(words[1:])
        if fault:
            records.leave_out(where, "polygon_bad", fault)
            continue
        outline = [
            float(word) * (height if k % 2 else width)
            for k, word in enumerate(words[1:])
        ]
        records.add(where, picture, names[int(words[0])], [outline])


def _fault(words: list[str]) -> str:
    """What is wrong with the numbers of a line; empty where nothing is."""
    try:
        values = [float(word) for word in words]
    except ValueError:
        return "has something else than numbers: expected k x1 y1 x2 y2 ..."
    if len(values) == 4:
        return (
            "has four numbers behind the class, a box without an outline: expected "
            "labels of segmentation, k x1 y1 x2 y2 x3 y3 ..."
        )
    if len(values) % 2 or len(values) < 6:
        return f"has {len(values)} numbers behind the class: expected x, y of 3 or more"
    if not all(-_TOLERANCE <= v <= 1 + _TOLERANCE for v in values):
        worst = max(values, key=lambda v: abs(v - 0.5))
        return f"has {worst:g}: expected shares of the image's sides, from 0 to 1"
    return ""


def _range(names: dict[int, str]) -> str:
    return f"a number from {min(names)} to {max(names)}"


def _images_of(labels: str) -> str:
    """The image folder of a label folder: the last `labels` of the path exchanged."""
    parts = os.path.abspath(labels).split(os.sep)
    for index in reversed(range(len(parts))):
        if parts[index] == "labels":
            return os.sep.join([*parts[:index], "images", *parts[index + 1 :]])
    return labels


def _class_names(path: str) -> dict[int, str]:
    """Names by number.

    Raises:
      DataError: there is no file that has them.
    """
    above = os.path.abspath(path)
    for _ in range(4):
        for name in sorted(os.listdir(above)) if os.path.isdir(above) else ():
            file = os.path.join(above, name)
            if name.endswith((".yaml", ".yml")):
                with open(file, encoding="utf-8-sig") as stream:
                    names = parse_names(stream.read())
            elif name in ("classes.txt", "obj.names"):
                with open(file, encoding="utf-8-sig") as stream:
                    names = dict(enumerate(filter(None, map(str.strip, stream))))
            else:
                continue
            if names:
                return names
        above = os.path.dirname(above)
    raise DataError(
        f"{path}: no class names: expected `names` in a YAML file, or classes.txt, "
        "there or up to three folders above",
        "no_categories",
    )


def parse_names(text: str) -> dict[int, str]:
    """`names` of a YAML file in the three forms that YOLO's files have.

    That is `[a, b]`, a list of `- a`, or `0: a`. Nothing else of YAML is read, so that
    the format needs no package of its own.
    """
    found = re.search(r"^names\s*:[ \t]*(.*(?:\n(?:[ \t#-].*|[ \t]*))*)", text, re.M)
    if not found:
        return {}
    body = found[1]
    inline = re.match(r"\s*[\[{](.*?)[\]}]", body, re.S)
    if inline:
        items = re.findall(
            r"\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[^,\n]+)", inline[1]
        )
        lines = [item.strip() for item in items if item.strip()]
    else:
        lines = [line.split(" #")[0].strip() for line in body.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
    names: dict[int, str] = {}
    for line in lines:
        line = line.removeprefix("- ").strip()
        keyed = re.match(r"(\d+)\s*:\s*(.+)", line)
        key, value = (int(keyed[1]), keyed[2]) if keyed else (len(names), line)
        names[key] = _plain(value.strip())
    return names


def _plain(text: str) -> str:
    """A scalar without its quotes."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text
