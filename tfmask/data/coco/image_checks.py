"""The image records of a COCO file: sound fields, and a file that fits each."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tfmask.data.coco.annotation_checks import Fault
from tfmask.data.coco.annotation_file import AnnotationFile
from tfmask.data.coco.file_names import ImageFiles, escapes, url_name
from tfmask.data.images.pixels import PixelFormat
from tfmask.data.images.read import MAX_PIXELS, image_size
from tfmask.data.problems import ERROR, WARNING, Problem
from tfmask.errors import ImageError

_READERS = 8  # threads that open image headers; the time is the disk's


class ImageEntry(NamedTuple):
    """A usable image of the file."""

    image_id: int | str
    path: str
    file_name: str  # as it lies in the image folder
    width: int
    height: int
    negative_categories: tuple | None  # LVIS: ids; None where the record has none
    not_exhaustive_categories: tuple


class _Listed(NamedTuple):
    """An image record with sound fields; its file is not opened yet."""

    image_id: int | str
    names: tuple[str, ...]  # what the file may be called: file_name, coco_url
    relative: str  # the first of them inside the folder
    size: tuple[int, int] | None  # (height, width); None: to be taken from the file
    negative: tuple | None
    not_exhaustive: tuple


def check_images(
    file: AnnotationFile, exif: str, pixels: PixelFormat, problems: list[Problem]
) -> tuple[dict, set]:
    """Usable images and all known ids; what is wrong is added to `problems`.

    Returns:
      entries: image id -> ImageEntry.
      known: ids of all records, usable or not.
    """
    files = ImageFiles(file.image_folder)
    listed: dict = {}
    known: set = set()
    for index, record in enumerate(file.images):
        try:
            image = _sound_record(record, index, known, files)
        except Fault as fault:
            image_id = record.get("id") if isinstance(record, dict) else None
            if type(image_id) not in (int, str):
                image_id = None
            known.add(image_id)
            problems.append(Problem(fault.kind, image_id, None, fault.message, ERROR))
            continue
        known.add(image.image_id)
        listed[image.image_id] = image

    def open_share(share: list[_Listed]) -> list:
        return [_open(image, files, exif, pixels) for image in share]

    images = list(listed.values())
    shares = [images[i::_READERS] for i in range(_READERS)]
    with ThreadPoolExecutor(_READERS) as pool:
        opened = [pair for share in pool.map(open_share, shares) for pair in share]
    results = dict(opened)
    entries = {}
    for image_id in listed:
        result = results[image_id]
        if isinstance(result, ImageError):
            problems.append(Problem(result.kind, image_id, None, str(result), ERROR))
        else:
            entries[image_id] = result
    problems += _mended_names(listed, entries)
    problems += _mended_sizes(listed, entries)
    problems += _shared_files(entries)
    return entries, known


def _sound_record(record, index: int, known: set, files: ImageFiles) -> _Listed:
    if not isinstance(record, dict):
        raise Fault("image_not_object", f"image {index + 1} of the list is no object")
    image_id = record.get("id")
    if image_id is None or type(image_id) not in (int, str):
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
    names = _names(record)
    relative = names[0]
    if escapes(relative):
        inside = files.relative(relative)
        if inside is None:
            near = files.near(names[0])
            hint = f" (there is {', '.join(near)} in it)" if near else ""
            raise Fault(
                "image_path_escapes",
                f"file_name {names[0]!r} leads out of the image folder "
                f"{files.folder}: expected a path inside it{hint}",
            )
        relative = inside
    return _Listed(
        image_id,
        names,
        relative,
        _size(record.get("height"), record.get("width")),
        _category_ids(record.get("neg_category_ids")),
        _category_ids(record.get("not_exhaustive_category_ids")) or (),
    )


def _names(record: dict) -> tuple[str, ...]:
    name, url = record.get("file_name"), url_name(record.get("coco_url"))
    if name is None and url:  # LVIS 1.0 has the address alone
        return url, url.rpartition("/")[2]
    if not isinstance(name, str) or not name or "\0" in name:
        raise Fault("image_bad_file_name", f"file_name is {name!r}: expected a name")
    return (name, url, url.rpartition("/")[2]) if url else (name,)


def _size(height, width) -> tuple[int, int] | None:
    """(height, width), or None where they are missing or no integers."""
    if type(height) is not int or type(width) is not int:
        return None
    if height < 1 or width < 1:
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
    return height, width


def _category_ids(value) -> tuple | None:
    if not isinstance(value, list):
        return None
    return tuple(v for v in value if type(v) in (int, str))


def _open(image: _Listed, files: ImageFiles, exif: str, pixels: PixelFormat) -> tuple:
    """(id, ImageEntry or the error) from the header of the image's file."""
    name = image.relative

    def size_of(name: str) -> tuple[int, int]:
        path = f"{files.folder}/{name}"
        return image_size(path, exif, image.size, pixels=pixels)

    try:
        try:
            height, width = size_of(name)
        except ImageError as error:
            if error.kind != "image_missing":
                raise
            other = files.find(*image.names)
            if other is None:
                raise _missing(error, image, files) from None
            name = other
            height, width = size_of(name)
    except ImageError as error:
        return image.image_id, error
    return image.image_id, ImageEntry(
        image.image_id,
        f"{files.folder}/{name}",
        name,
        width,
        height,
        image.negative,
        image.not_exhaustive,
    )


def _missing(error: ImageError, image: _Listed, files: ImageFiles) -> ImageError:
    near = files.near(*image.names)
    if not near:
        return error
    return ImageError(f"{error}; near it is {', '.join(near)}", error.kind)


# --- what the whole file has wrong ----------------------------------------------------


def _mended_names(listed: dict, entries: dict) -> list[Problem]:
    """One problem for all files that lie there under another name."""
    changed = [
        (key, listed[key].names[0], entry.file_name)
        for key, entry in entries.items()
        if entry.file_name != listed[key].names[0]
    ]
    if not changed:
        return []
    image_id, written, there = changed[0]
    message = (
        f"{len(changed)} of {len(listed)} file names are not exact: found all the "
        f"same, e.g. {written!r} as {there!r}"
    )
    one = image_id if len(changed) == 1 else None
    return [Problem("image_name_mended", one, None, message, WARNING)]


def _mended_sizes(listed: dict, entries: dict) -> list[Problem]:
    """One problem for all images whose width and height came from their files."""
    changed = [key for key in entries if listed[key].size is None]
    if not changed:
        return []
    message = (
        f"{len(changed)} of {len(listed)} images have no width and height as integers: "
        "those of the files are taken"
    )
    one = changed[0] if len(changed) == 1 else None
    return [Problem("image_size_missing", one, None, message, WARNING)]


def _shared_files(entries: dict) -> list[Problem]:
    problems = []
    first: dict = {}
    for image_id, entry in entries.items():
        other = first.setdefault(entry.file_name, image_id)
        if other != image_id:
            message = f"{entry.file_name} is also the file of image {other!r}"
            kind = "image_duplicate_file"
            problems.append(Problem(kind, image_id, None, message, WARNING))
    return problems
