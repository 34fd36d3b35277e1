"""Every problem of a COCO instances file, by image and annotation id.

`examine` makes one pass over a file and keeps what can be used; `check_annotations`
is that pass for those who only want to know (`tfmask validate`).
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath, PureWindowsPath
from typing import NamedTuple

from tfmask.data.coco.annotation_checks import Fault, Instance, check_annotation
from tfmask.data.coco.annotation_file import AnnotationFile, open_annotations
from tfmask.data.images.read import MAX_PIXELS, image_size
from tfmask.data.problems import ERROR, WARNING, Problem
from tfmask.errors import DataError, ImageError

_CROWD_SHARE = 0.2  # COCO has 1 %; tools that set iscrowd for every RLE have 100 %
_READERS = 8  # threads that open image headers; the time is the disk's


class ImageEntry(NamedTuple):
    """A usable image of the file."""

    image_id: int | str
    path: str
    file_name: str
    width: int
    height: int


class Examination(NamedTuple):
    """What of a file can be used, and what is wrong with it."""

    file: AnnotationFile
    images: list[ImageEntry]
    instances: dict  # image id -> list of Instance
    problems: list[Problem]
    images_left_out: int
    annotations_left_out: int  # those of left-out images included


def check_annotations(
    annotations: str, images: str = "", exif: str = "auto"
) -> list[Problem]:
    """Lists every problem of a file; empty when there is none.

    Image headers are read (format, size, orientation), pixels are not.

    Args:
      annotations: COCO instances JSON, or a folder with `annotations.json`.
      images: the image folder; default `images/` beside the file.
      exif: `auto`, `apply` or `ignore`, see `images.read_image`.
    """
    try:
        return examine(annotations, images, exif).problems
    except DataError as error:
        return [Problem(error.kind, None, None, str(error), ERROR)]


def examine(annotations: str, images: str = "", exif: str = "auto") -> Examination:
    """Checks a file record by record.

    Raises:
      DataError: when nothing of the file can be used.
    """
    file = open_annotations(annotations, images)
    problems = list(file.problems)
    entries, known = _check_images(file, exif, problems)
    instances, left_out = _check_records(file, entries, known, problems)
    return Examination(
        file,
        list(entries.values()),
        instances,
        problems,
        len(file.images) - len(entries),
        left_out,
    )


# --- images -------------------------------------------------------------------------


def _check_images(file: AnnotationFile, exif: str, problems: list[Problem]):
    """Usable images by id, and the set of all ids, usable or not."""
    entries: dict = {}
    known: set = set()
    seen_files: dict = {}
    for index, record in enumerate(file.images):
        try:
            entry = _image_entry(record, index, known, file.image_folder)
        except Fault as fault:
            image_id = record.get("id") if isinstance(record, dict) else None
            if type(image_id) not in (int, str):
                image_id = None
            known.add(image_id)
            problems.append(
                Problem(fault.args[0], image_id, None, fault.args[1], ERROR)
            )
            continue
        known.add(entry.image_id)
        entries[entry.image_id] = entry
        if entry.file_name in seen_files:
            message = (
                f"{entry.file_name} is also the file of image "
                f"{seen_files[entry.file_name]!r}"
            )
            kind = "image_duplicate_file"
            problems.append(Problem(kind, entry.image_id, None, message, WARNING))
        seen_files.setdefault(entry.file_name, entry.image_id)

    def header_faults(part: list[ImageEntry]) -> list[tuple]:
        faults = []
        for entry in part:
            try:
                image_size(entry.path, exif, (entry.height, entry.width))
            except ImageError as error:
                faults.append((entry.image_id, error))
        return faults

    listed = list(entries.values())
    parts = [listed[i::_READERS] for i in range(_READERS)]
    with ThreadPoolExecutor(_READERS) as pool:
        faults = dict(sum(pool.map(header_faults, parts), []))
    for image_id in [e.image_id for e in listed if e.image_id in faults]:
        error = faults[image_id]
        del entries[image_id]
        problems.append(Problem(error.kind, image_id, None, str(error), ERROR))
    return entries, known


def _image_entry(record, index: int, known: set, folder: str) -> ImageEntry:
    """An image record whose fields are sound; the file is not opened yet."""
    if not isinstance(record, dict):
        raise Fault("image_not_object", f"image {index + 1} of the list is no object")
    image_id, name = record.get("id"), record.get("file_name")
    if type(image_id) not in (int, str):
        raise Fault(
            "image_bad_id",
            f"image {index + 1} of the list has the id {image_id!r}: expected an "
            "integer or a string",
        )
    if image_id in known:
        raise Fault(
            "image_duplicate_id",
            "an image with this id is there before: the first is kept, give every "
            "image its own id",
        )
    if not isinstance(name, str) or not name or "\0" in name:
        raise Fault("image_bad_file_name", f"file_name is {name!r}: expected a name")
    if _escapes(name):
        raise Fault(
            "image_path_escapes",
            f"file_name {name!r} leads out of the image folder: expected a path "
            "inside it",
        )
    width, height = record.get("width"), record.get("height")
    if any(type(v) is not int or v < 1 for v in (width, height)):
        raise Fault(
            "image_bad_size",
            f"width is {width!r}, height {height!r}: expected positive integers",
        )
    if width * height > MAX_PIXELS:
        raise Fault(
            "image_too_large",
            f"width x height is {width} x {height}: expected at most {MAX_PIXELS} "
            "pixels",
        )
    return ImageEntry(image_id, f"{folder}/{name}", name, width, height)


def _escapes(name: str) -> bool:
    """Absolute, or with `..`, by the rules of POSIX or of Windows."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    rooted = posix.is_absolute() or windows.drive or windows.root
    return bool(rooted) or ".." in posix.parts or ".." in windows.parts


# --- annotations --------------------------------------------------------------------


def _check_records(file: AnnotationFile, entries: dict, known: set, problems: list):
    labels = {key: i + 1 for i, key in enumerate(file.class_map.ids)}
    instances: dict = {image_id: [] for image_id in entries}
    first_with_id: dict = {}
    left_out = 0
    for index, record in enumerate(file.annotations):
        image_id, annotation_id = _ids(record)

        def warn(kind: str, message: str, ids=(image_id, annotation_id)) -> None:
            problems.append(Problem(kind, *ids, message, WARNING))

        try:
            _check_identity(record, index, known, first_with_id, warn)
            if image_id not in entries:
                left_out += 1  # goes with its image, which is reported
                continue
            entry = entries[image_id]
            instances[image_id].append(
                check_annotation(record, entry.height, entry.width, labels, warn)
            )
        except Fault as fault:
            left_out += 1
            kind, message = fault.args
            problems.append(Problem(kind, image_id, annotation_id, message, ERROR))
    _check_crowds(instances, problems)
    return instances, left_out


def _ids(record) -> tuple:
    if not isinstance(record, dict):
        return None, None
    values = record.get("image_id"), record.get("id")
    return tuple(v if type(v) in (int, str) else None for v in values)


def _check_identity(record, index: int, known: set, first_with_id: dict, warn) -> None:
    """The record is an object of a known image, and not there twice."""
    if not isinstance(record, dict):
        raise Fault(
            "annotation_not_object", f"annotation {index + 1} of the list is no object"
        )
    image_id, annotation_id = _ids(record)
    if image_id is None or image_id not in known:
        given = record.get("image_id")
        other = (
            int(given) if isinstance(given, str) and given.isdecimal() else str(given)
        )
        hint = f" (there is {other!r})" if other in known else ""
        raise Fault(
            "unknown_image",
            f"image_id is {given!r}, which is not among the images{hint}",
        )
    if annotation_id is None:
        warn("annotation_bad_id", f"id is {record.get('id')!r}: expected an integer")
        return
    first = first_with_id.setdefault(annotation_id, record)
    if first is not record:
        if first == record:
            raise Fault("annotation_duplicate", "the same record is there before")
        warn(
            "annotation_duplicate_id",
            "another annotation has this id too: metrics need ids of their own",
        )


def _check_crowds(instances: dict, problems: list[Problem]) -> None:
    flags = [i.crowd for group in instances.values() for i in group]
    if flags and sum(flags) > _CROWD_SHARE * len(flags):
        message = (
            f"{sum(flags)} of {len(flags)} annotations have iscrowd=1, which makes "
            "them regions to ignore: some tools set it for every run-length code; "
            "set it to 0 for single objects"
        )
        problems.append(Problem("many_crowd", None, None, message, WARNING))


__all__ = [
    "Examination",
    "ImageEntry",
    "Instance",
    "Problem",
    "check_annotations",
    "examine",
]
