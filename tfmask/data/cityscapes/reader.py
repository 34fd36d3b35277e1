"""Cityscapes as a data set: `leftImg8bit` with the instances of `gtFine`."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath

import numpy as np

from tfmask.config import DataConfig
from tfmask.data.cityscapes.instances import (
    Regions,
    draw_polygons,
    find_regions,
    read_png,
)
from tfmask.data.cityscapes.labels import CLASS_IDS, CLASSES
from tfmask.data.coco import segmentation as seg
from tfmask.data.dataset import Dataset, ImageRecord
from tfmask.data.images.read import image_size
from tfmask.data.problems import ERROR, Problem
from tfmask.errors import DataError
from tfmask.structures import ClassMap

_IMAGES, _ANNOTATIONS = "leftImg8bit", "gtFine"
_IMAGE_NAME = re.compile(r"(.+_\d{6}_\d{6})_leftImg8bit\.png")
_ANNOTATION_NAME = re.compile(
    r"(.+_\d{6}_\d{6})_gtFine_(instanceIds\.png|polygons\.json)"
)
_READERS = 8  # threads that decode annotations


def read(path: str, images: str, options: DataConfig, log=print) -> Dataset:
    """Reads a split of Cityscapes.

    The instances of an image are those of its `*_gtFine_instanceIds.png`; where there
    is none, `*_gtFine_polygons.json` is drawn as the authors draw it. Groups are
    regions to ignore. In a split called `test` images may have no annotation.

    Args:
      path: `ROOT/gtFine/SPLIT` or `ROOT/leftImg8bit/SPLIT`, a folder for each city in
        it.
      images: where the images are, if `path` holds annotations and not the one above.
      options: `exif` is how images are turned, see `images.read_image`.
      log: not used: all that is to be said stands in the problems.

    Raises:
      DataError: when nothing of it can be used.
    """
    annotation_folder, image_folder = _folders(path, images)
    files = _find(image_folder, _IMAGE_NAME)
    annotations = _find(annotation_folder, _ANNOTATION_NAME)
    if not files:
        raise DataError(
            f"{image_folder}: there is no image: expected "
            "CITY/CITY_000000_000000_leftImg8bit.png",
            "no_images",
        )
    split = PurePath(path).name

    def load(key: str) -> ImageRecord | Problem:
        try:
            return _record(files[key], annotations.get(key, []), split, key, options)
        except DataError as error:
            return Problem(error.kind, _name(key), None, str(error), ERROR)

    with ThreadPoolExecutor(_READERS) as pool:
        loaded = list(pool.map(load, sorted(files)))
    problems = [one for one in loaded if isinstance(one, Problem)]
    for key in sorted(annotations.keys() - files.keys()):
        message = f"{annotations[key][0]}: there is no image for it in {image_folder}"
        problems.append(Problem("image_missing", _name(key), None, message, ERROR))
    return Dataset(
        path=path,
        source=str(annotation_folder),
        image_folder=str(image_folder),
        class_map=ClassMap(CLASS_IDS, CLASSES),
        images=[one for one in loaded if isinstance(one, ImageRecord)],
        problems=problems,
        images_left_out=len(problems),
        exif=options.exif,
        format="cityscapes",
    )


def _folders(path: str, images: str) -> tuple[Path, Path]:
    """Where the annotations are and where the images are."""
    parts = PurePath(path).parts
    if images:
        pair = Path(path), Path(images)
    elif _ANNOTATIONS in parts:
        pair = Path(path), _beside(parts, _ANNOTATIONS, _IMAGES)
    elif _IMAGES in parts:
        pair = _beside(parts, _IMAGES, _ANNOTATIONS), Path(path)
    else:
        raise DataError(
            f"{path}: expected a split of Cityscapes, ROOT/gtFine/SPLIT or "
            "ROOT/leftImg8bit/SPLIT",
            "folder_missing",
        )
    for folder in {Path(path), pair[1]}:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder", "folder_missing")
    return pair


def _beside(parts: tuple[str, ...], name: str, other: str) -> Path:
    """The folder of the same split below `other` in place of `name`."""
    last = len(parts) - 1 - parts[::-1].index(name)
    return Path(*parts[:last], other, *parts[last + 1 :])


def _find(folder: Path, pattern: re.Pattern) -> dict[str, list[Path]]:
    """City/frame -> its files by name, so that a PNG comes before a JSON."""
    found: dict[str, list[Path]] = {}
    cities = (
        sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    )
    for city in cities:
        for name in sorted(os.listdir(city)):
            match = pattern.fullmatch(name)
            if match:
                found.setdefault(f"{city.name}/{match[1]}", []).append(city / name)
    return found


def _name(key: str) -> str:
    """The id of an image: its city, sequence and frame."""
    return key.partition("/")[2]


def _record(
    files: list[Path], annotations: list[Path], split: str, key: str, options
) -> ImageRecord:
    path = str(files[0])
    height, width = image_size(path, options.exif)
    if annotations:
        source = str(annotations[0])
        ids = read_png(source) if source.endswith(".png") else draw_polygons(source)
        if ids.shape != (height, width):
            raise DataError(
                f"{source}: {ids.shape[1]} x {ids.shape[0]} pixels, its image has "
                f"{width} x {height}: expected the same",
                "annotation_size",
            )
        regions = find_regions(ids, source)
    elif split == "test":
        regions = Regions([], [], [], [], None)
    else:
        raise DataError(
            f"{path}: there is neither {_name(key)}_gtFine_instanceIds.png nor "
            f"{_name(key)}_gtFine_polygons.json for it",
            "annotation_missing",
        )
    boxes = [seg.extent(mask, height, width) for mask in regions.masks]
    areas = [seg.area(mask, height, width) for mask in regions.masks]
    return ImageRecord(
        image_id=_name(key),
        path=path,
        file_name=f"{files[0].parent.name}/{files[0].name}",
        width=width,
        height=height,
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.array([CLASS_IDS.index(i) + 1 for i in regions.label_ids], np.int32),
        crowd=np.array(regions.groups, bool),
        areas=np.array(areas, np.float64),
        annotation_ids=tuple(regions.instance_ids),
        segmentations=tuple(regions.masks),
        void=regions.void,
        split=split,
        city=key.partition("/")[0],
    )
