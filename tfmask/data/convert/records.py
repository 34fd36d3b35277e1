"""What the readers of other formats collect, and how it becomes a data set.

A reader adds images, classes and annotations in its own terms; all checks, boxes and
areas are those of COCO files. Images are numbered from 1 by their file names, classes
from 1 as the format orders them (by name where it does not), so that the ids do not
depend on the order in which files are found. Every annotation carries the words for its
place (`a.json, shape 3`), which stand in each message about it.
"""

import json
import math
import os
from typing import NamedTuple

import numpy as np

from tfmask.config import DataConfig
from tfmask.data.coco import segmentation as seg
from tfmask.data.coco.annotation_file import AnnotationFile
from tfmask.data.coco.image_checks import check_images
from tfmask.data.coco.reader import record_of
from tfmask.data.coco.record_checks import check_annotations
from tfmask.data.dataset import Dataset
from tfmask.data.images.pixels import pixel_format
from tfmask.data.problems import ERROR, WARNING, Problem
from tfmask.errors import DataError
from tfmask.structures import ClassMap

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
# The formats have no boxes and areas: that they are taken from the masks is no news.
_EXPECTED = ("bbox_missing", "area_missing", "image_size_missing")


class _Annotation(NamedTuple):
    where: str
    file_name: str
    class_name: str
    segmentation: object  # see data.coco.segmentation_checks.parse
    crowd: bool
    box: list[float] | None  # x, y, width, height


class Records:
    """Collects a data set.

    Args:
      path: what the user named.
      folder: the image folder.
    """

    def __init__(self, path: str, folder: str):
        self.path = path
        self.folder = folder
        self.problems: list[Problem] = []
        self._images: dict[str, dict] = {}
        self._annotations: list[_Annotation] = []
        self._classes: list[str] = []
        self._left_out = 0

    def add_image(self, file_name: str, size: tuple[int, int] | None = None) -> None:
        """An image, with (height, width) where the format says it."""
        record: dict = {"file_name": file_name}
        if size is not None:
            record |= {"height": size[0], "width": size[1]}
        self._images.setdefault(file_name, record)

    def add_classes(self, names: list[str]) -> None:
        """Classes in the order of their ids; without it they are ordered by name."""
        self._classes += [n for n in dict.fromkeys(names) if n not in self._classes]

    def add(
        self,
        where: str,
        file_name: str,
        class_name: str,
        segmentation,
        *,
        crowd: bool = False,
        box: list[float] | None = None,
    ) -> None:
        """An instance; `where` is its file and its place in it."""
        self._annotations.append(
            _Annotation(where, file_name, class_name, segmentation, crowd, box)
        )

    def leave_out(self, where: str, kind: str, message: str) -> None:
        """An instance, or more, that cannot be used."""
        self._left_out += 1
        self.problems.append(Problem(kind, None, where, message, ERROR))

    def warn(self, where: str, kind: str, message: str) -> None:
        self.problems.append(Problem(kind, None, where, message, WARNING))

    def to_dataset(self, options: DataConfig, name: str) -> Dataset:
        """The records that pass the checks.

        Args:
          options: `exif` is how images are turned.
          name: of the format.

        Raises:
          DataError: there is no image.
        """
        if not self._images:
            raise DataError(f"{self.path}: there are no images in it", "no_images")
        used = {a.class_name for a in self._annotations} - {*self._classes}
        self.add_classes(sorted(used))
        class_map = ClassMap(
            tuple(range(1, len(self._classes) + 1)), tuple(self._classes)
        )
        ids = {name: i for i, name in enumerate(sorted(self._images), 1)}
        images = [{"id": ids[n], **self._images[n]} for n in sorted(self._images)]
        categories = {name: key for key, name in zip(class_map.ids, class_map.names)}
        annotations = [
            {
                "id": a.where,
                "image_id": ids.get(a.file_name),
                "category_id": categories[a.class_name],
                "segmentation": a.segmentation,
                "iscrowd": int(a.crowd),
                **({} if a.box is None else {"bbox": a.box}),
            }
            for a in self._annotations
        ]
        problems = list(self.problems)
        file = AnnotationFile(
            self.path, self.folder, images, annotations, class_map, (), problems
        )
        entries, known = check_images(
            file, options.exif, pixel_format(options), problems
        )
        checked = check_annotations(file, entries, known, problems)
        labels = {key: i + 1 for i, key in enumerate(class_map.ids)}
        return Dataset(
            path=self.path,
            source=self.path,
            image_folder=self.folder,
            class_map=class_map,
            images=[
                record_of(entry, checked.instances[key], labels)
                for key, entry in entries.items()
            ],
            problems=[p for p in problems if p.kind not in _EXPECTED],
            images_left_out=len(images) - len(entries),
            annotations_left_out=checked.left_out + self._left_out,
            exif=options.exif,
            format=name,
        )


# --- what the readers share ---------------------------------------------------------


def read_json(path: str):
    """The content of a JSON file.

    Raises:
      DataError: it cannot be read, or is no JSON.
    """
    try:
        with open(path, encoding="utf-8-sig") as stream:
            return json.load(stream)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", "file_missing") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not usable JSON: {error}", "file_not_json") from None


def files_below(folder: str, suffixes: tuple[str, ...]) -> list[str]:
    """Names of the files below a folder, relative to it, with `/`, sorted.

    Raises:
      DataError: there is no such folder.
    """
    if not os.path.isdir(folder):
        raise DataError(f"{folder}: no such folder", "file_missing")
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.lower().endswith(suffixes) and not name.startswith("."):
                path = os.path.relpath(os.path.join(parent, name), folder)
                found.append(path.replace(os.sep, "/"))
    return sorted(found)


def by_stem(names: list[str]) -> dict[str, str]:
    """File names by their path without the ending; the first of several stands."""
    stems: dict[str, str] = {}
    for name in names:
        stems.setdefault(os.path.splitext(name)[0], name)
    return stems


def union(parts: list, size: tuple[int, int] | None):
    """One segmentation of the parts of an instance.

    Args:
      parts: polygons x, y, x, y, ... and run-length codes of the image's size.
      size: (height, width) of the image; needed where a part is a run-length code.
    """
    polygons = [part for part in parts if isinstance(part, list)]
    if len(polygons) == len(parts) or size is None:
        return polygons
    if len(parts) == 1:
        return parts[0]
    mask = np.zeros(size, bool)
    for part in parts:
        segmentation, _ = seg.parse([part] if isinstance(part, list) else part, *size)
        mask |= seg.decode(segmentation, *size) > 0
    return seg.from_mask(mask)


def placed(crop: np.ndarray, left: int, top: int, size: tuple[int, int]) -> seg.RLE:
    """The run-length code of a mask that is given by a part of the image.

    Args:
      crop: [h, w]; what is not 0 belongs to the instance.
      left, top: of its first pixel in the image; it may reach over the borders.
      size: (height, width) of the image.
    """
    mask = np.zeros(size, bool)
    y, x = max(top, 0), max(left, 0)
    window = mask[y : max(top + crop.shape[0], 0), x : max(left + crop.shape[1], 0)]
    inside = crop[y - top :, x - left :][: window.shape[0], : window.shape[1]]
    window[:] = inside != 0
    return seg.from_mask(mask)


def is_number(value) -> bool:
    """A number of JSON that is finite."""
    return type(value) in (int, float) and abs(value) < 1e12


def points_of(value) -> list[float] | None:
    """x, y, x, y, ... of a list of pairs; None where it is none."""
    if not isinstance(value, list) or not value:
        return None
    flat: list[float] = []
    for pair in value:
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(map(is_number, pair))
        ):
            return None
        flat += [float(v) for v in pair]
    return flat


def ellipse(
    cx: float, cy: float, rx: float, ry: float, turn: float = 0.0
) -> list[float]:
    """The outline of an ellipse, x, y, x, y, ..., off by less than 0.05 pixels.

    Args:
      cx, cy: its middle, pixels.
      rx, ry: half axes, pixels.
      turn: of the axes, radians, clockwise as pixels run.
    """
    # A chord of n is r (1 - cos(pi / n)) off the arc, about r pi^2 / 2 n^2.
    count = max(16, math.ceil(math.pi * math.sqrt(max(rx, ry, 1.0) / 0.1)))
    cos, sin = math.cos(turn), math.sin(turn)
    flat = []
    for k in range(count):
        x = rx * math.cos(2 * math.pi * k / count)
        y = ry * math.sin(2 * math.pi * k / count)
        flat += [cx + x * cos - y * sin, cy + x * sin + y * cos]
    return flat


def rectangle(x1: float, y1: float, x2: float, y2: float) -> list[float]:
    """The outline of a box, x, y, x, y, ..."""
    return [x1, y1, x2, y1, x2, y2, x1, y2]
