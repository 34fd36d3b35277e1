"""Pascal VOC instance masks: `SegmentationObject` and `SegmentationClass`.

The source is the folder that holds `JPEGImages`, or a list below it
(`ImageSets/Segmentation/train.txt`). Masks are palette images whose value is the number
of the instance or class, or colours, as CVAT and others export them, with the classes
in `labelmap.txt` (`name:r,g,b::`). Pixels of the border between objects (255, or its
colour) belong to none.
"""

import os

import numpy as np
from PIL import Image, UnidentifiedImageError

from tfmask.config import DataConfig
from tfmask.data.coco import segmentation as seg
from tfmask.data.convert.records import (
    IMAGE_SUFFIXES,
    Records,
    by_stem,
    files_below,
)
from tfmask.data.dataset import Dataset
from tfmask.errors import DataError

CLASSES = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
    "motorbike person pottedplant sheep sofa train tvmonitor"
).split()
_COLOUR = 1 << 24  # above every stored value
_BORDER = 255
_BORDER_COLOUR = (224, 224, 192)


def read(path: str, images: str, options: DataConfig, log=print) -> Dataset:
    """Reads a tree in the layout of Pascal VOC.

    Args:
      path: the folder, or a list of image names in `ImageSets/Segmentation`.
      images: the image folder; default `JPEGImages`.
      options: `exif` is how images are turned.
      log: not used: all that is to be said stands in the problems.

    Raises:
      DataError: the layout is another one.
    """
    root, names = path, None
    if os.path.isfile(path):
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(path))))
        with open(path, encoding="utf-8") as stream:
            names = [line.strip() for line in stream if line.strip()]
    folder = images or os.path.join(root, "JPEGImages")
    objects = by_stem(files_below(os.path.join(root, "SegmentationObject"), (".png",)))
    classes = by_stem(files_below(os.path.join(root, "SegmentationClass"), (".png",)))
    pictures = by_stem(files_below(folder, IMAGE_SUFFIXES))
    records = Records(path, folder)
    labels = _classes(root)
    records.add_classes([name for name in labels.values() if name != "background"])
    for name in sorted(objects) if names is None else names:
        if name not in objects and name.split()[0] in objects:
            name = name.split()[0]  # `name 1`, as in the lists of a class
        if name not in objects or name not in classes or name not in pictures:
            absent = next(
                f"{word}/{name}"
                for word, table in (
                    ("SegmentationObject", objects),
                    ("SegmentationClass", classes),
                    (os.path.basename(folder), pictures),
                )
                if name not in table
            )
            records.leave_out(name, "file_missing", f"{absent} is not there")
            continue
        try:
            ours = _values(os.path.join(root, "SegmentationObject", objects[name]))
            kinds = _values(os.path.join(root, "SegmentationClass", classes[name]))
        except DataError as error:
            records.leave_out(name, error.kind, str(error))
            continue
        records.add_image(pictures[name], ours.shape)
        if kinds.shape != ours.shape:
            records.leave_out(
                name,
                "mask_size_differs",
                f"SegmentationObject/{objects[name]} and SegmentationClass/"
                f"{classes[name]} have different sizes",
            )
            continue
        _add_objects(records, pictures[name], objects[name], ours, kinds, labels)
    return records.to_dataset(options, "voc")


def _add_objects(records, picture, file, ours, kinds, labels) -> None:
    for number, value in enumerate(_kept(np.unique(ours)), 1):
        mask = ours == value
        where = f"SegmentationObject/{file}, object {number} (value {value})"
        values, counts = np.unique(kinds[mask], return_counts=True)
        known = [(n, v) for v, n in zip(values.tolist(), counts.tolist()) if _kept([v])]
        if not known:
            message = "its pixels have no class in SegmentationClass"
            records.leave_out(where, "unknown_category", message)
            continue
        pixels, kind = max(known)
        if kind not in labels or labels[kind] == "background":
            records.leave_out(
                where,
                "unknown_category",
                f"the class value {_named(kind)} is not known: expected one of VOC's "
                f"{len(CLASSES)}, or a labelmap.txt that has it",
            )
            continue
        if len(known) > 1:
            records.warn(
                where,
                "mixed_classes",
                f"its pixels have {len(known)} classes: {labels[kind]!r} is taken, of "
                f"{pixels} of {int(mask.sum())} pixels",
            )
        records.add(where, picture, labels[kind], seg.from_mask(mask))


def _kept(values) -> list[int]:
    """Values of instances or classes: neither background nor border."""
    border = {_BORDER, _key(_BORDER_COLOUR)}
    return [int(v) for v in values if v and int(v) not in border]


def _values(path: str) -> np.ndarray:
    """[H, W] int64: the stored values; `_COLOUR` + rgb where it has colours.

    Raises:
      DataError: it cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            if image.mode in ("P", "L"):
                return np.asarray(image).astype(np.int64)
            colours = np.asarray(image.convert("RGB")).astype(np.int64)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise DataError(
            f"{path}: cannot be decoded: {error}", "mask_unreadable"
        ) from None
    packed = colours @ [1 << 16, 1 << 8, 1]
    return np.where(packed == 0, 0, _COLOUR + packed)


def _key(colour) -> int:
    """What `_values` gives for a colour."""
    r, g, b = colour
    packed = (r << 16) | (g << 8) | b
    return _COLOUR + packed if packed else 0


def _named(value: int) -> str:
    if value < _COLOUR:
        return str(value)
    packed = value - _COLOUR
    return f"{packed >> 16},{packed >> 8 & 255},{packed & 255} (colour)"


def _classes(root: str) -> dict[int, str]:
    """Class names by what `_values` gives: by index and by colour.

    Raises:
      DataError: a line of labelmap.txt cannot be read.
    """
    path = os.path.join(root, "labelmap.txt")
    if not os.path.isfile(path):
        names = dict(enumerate(CLASSES, 1))
        return names | {_key(_palette(i)): name for i, name in names.items()}
    labels: dict[int, str] = {}
    with open(path, encoding="utf-8-sig") as stream:
        lines = [(n, line.strip()) for n, line in enumerate(stream, 1)]
    count = 0
    for number, line in lines:
        if not line or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        parts = rest.split(":")[0].split(",")
        if not name or len(parts) != 3 or not all(p.strip().isdecimal() for p in parts):
            raise DataError(
                f"{path}, line {number}: expected name:r,g,b::", "label_map_bad"
            )
        key = _key([int(p) for p in parts])
        if key:
            count += 1
            labels |= {key: name, count: name}
    return labels


def _palette(index: int) -> tuple[int, ...]:
    """VOC's colour of an index: bits 0, 1, 2 in turn are high bits of r, g, b."""
    return tuple(
        sum(((index >> (3 * k + c)) & 1) << (7 - k) for k in range(8)) for c in range(3)
    )
