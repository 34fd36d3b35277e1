"""Finding and opening a COCO instances file: the faults that concern the whole file."""

import json
import os
from typing import NamedTuple

from tfmask.data.problems import ERROR, WARNING, Problem
from tfmask.errors import DataError
from tfmask.structures import ClassMap

# Where ids stand; JSON writers that go through tables of floats write 1 as 1.0.
_ID_FIELDS = {
    "images": ("id",),
    "annotations": ("id", "image_id", "category_id"),
    "categories": ("id",),
}


class AnnotationFile(NamedTuple):
    """An opened file; its images and annotations are not checked yet."""

    path: str  # the JSON file
    image_folder: str
    images: list
    annotations: list
    class_map: ClassMap  # sorted by category id
    class_frequencies: tuple[str, ...]  # LVIS: of each class; empty where not of all
    problems: list[Problem]  # of ids and categories


def open_annotations(annotations: str, images: str = "") -> AnnotationFile:
    """Reads the JSON file and its categories.

    Args:
      annotations: the file, or a folder that holds `annotations.json`.
      images: the image folder. Default: `images/` beside the file, or the file's own
        folder when there is none.

    Raises:
      DataError: when nothing of the file can be used.
    """
    path, value = _read_object(annotations, ("images", "annotations", "categories"))
    folder = _image_folder(path, images)
    problems = _mend_float_ids(value)
    class_map, frequencies = _classes(path, value["categories"], problems)
    return AnnotationFile(
        path,
        folder,
        value["images"],
        value["annotations"],
        class_map,
        frequencies,
        problems,
    )


def open_image_list(path: str, images: str = "") -> AnnotationFile:
    """Reads the images of a JSON file, and its categories if there are any.

    Args:
      path, images: as of `open_annotations`. The file may have no annotations, as
        COCO's `image_info_*.json`; those that it has are left out.

    Raises:
      DataError: there are no images in it, or no such image folder.
    """
    path, value = _read_object(path, ("images",))
    folder = _image_folder(path, images)
    value |= {"annotations": [], "categories": value.get("categories") or []}
    problems = _mend_float_ids(value)
    class_map = ClassMap((), ())
    if value["categories"]:
        class_map, _ = _classes(path, value["categories"], problems)
    return AnnotationFile(path, folder, value["images"], [], class_map, (), problems)


def _read_object(path: str, keys: tuple[str, ...]) -> tuple[str, dict]:
    """The file's path and content; the keys are there and hold lists."""
    if os.path.isdir(path):
        path = _in_folder(path)
    value = _read_json(path)
    listed = " and ".join([", ".join(keys[:-1]), keys[-1]]) if keys[1:] else keys[0]
    if not isinstance(value, dict):
        hint = ", as results files have" if isinstance(value, list) else ""
        raise DataError(
            f"{path}: the top level is a {type(value).__name__}{hint}: expected an "
            f"object with {listed}",
            "file_not_object",
        )
    for key in keys:
        if not isinstance(value.get(key), list):
            word = "is missing" if key not in value else "is not a list"
            kind = "instances file" if keys[1:] else "file"
            raise DataError(
                f"{path}: {key!r} {word}: expected a COCO {kind} with {listed}",
                "file_missing_key",
            )
    if not value["images"]:
        raise DataError(f"{path}: there are no images in it", "no_images")
    return path, value


def _in_folder(folder: str) -> str:
    path = os.path.join(folder, "annotations.json")
    if not os.path.isfile(path):
        others = sorted(n for n in os.listdir(folder) if n.endswith(".json"))
        hint = f"; there is {', '.join(others[:3])}: name the file" if others else ""
        raise DataError(f"{path}: No such file or directory{hint}", "file_missing")
    return path


def _read_json(path: str):
    try:
        with open(path, "rb") as stream:
            text = stream.read().decode("utf-8-sig")
        return json.loads(text)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", "file_missing") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} is not UTF-8: save the file as UTF-8",
            "file_not_json",
        ) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        early = error.pos >= len(text.rstrip()) or "Unterminated" in error.msg
        word = "ends early (truncated)" if early else "is bad"
        raise DataError(
            f"{path}: not JSON: it {word} at {where}: {error.msg}", "file_not_json"
        ) from None
    except (RecursionError, ValueError) as error:  # deep nesting; very long integers
        raise DataError(f"{path}: not usable JSON: {error}", "file_not_json") from None


def _image_folder(path: str, images: str) -> str:
    beside = os.path.dirname(os.path.abspath(path))
    if not images:
        inner = os.path.join(beside, "images")
        return inner if os.path.isdir(inner) else beside
    if not os.path.isdir(images):
        raise DataError(
            f"{images}: no such image folder (for {path})", "image_folder_missing"
        )
    return images


def _mend_float_ids(value: dict) -> list[Problem]:
    """Makes 1.0 the id 1, in place, in fields whose floats are all whole numbers."""
    problems = []
    for key, fields in _ID_FIELDS.items():
        records = [r for r in value[key] if isinstance(r, dict)]
        for field in fields:
            floats = [r for r in records if type(r.get(field)) is float]
            if not floats or not all(r[field].is_integer() for r in floats):
                continue
            message = (
                f"{len(floats)} of {len(records)} {key} have {field} as a number with "
                f"a point, e.g. {floats[0][field]}: read as {int(floats[0][field])}"
            )
            problems.append(Problem("float_ids", None, None, message, WARNING))
            for record in floats:
                record[field] = int(record[field])
    return problems


def _classes(
    path: str, records: list, problems: list[Problem]
) -> tuple[ClassMap, tuple[str, ...]]:
    """The classes by category id, and their frequencies where all have one."""
    names, frequencies = _categories(path, records, problems)
    ids = sorted(names, key=lambda k: (isinstance(k, str), k))
    known = tuple(frequencies[k] for k in ids if k in frequencies)
    class_map = ClassMap(tuple(ids), tuple(names[k] for k in ids))
    return class_map, known if len(known) == len(ids) else ()


def _categories(
    path: str, records: list, problems: list[Problem]
) -> tuple[dict, dict[int | str, str]]:
    """Names by category id, and LVIS's frequencies where they stand."""
    names: dict = {}
    frequencies: dict = {}

    def report(kind: str, message: str, severity: str) -> None:
        problems.append(Problem(kind, None, None, message, severity))

    for index, record in enumerate(records):
        where = f"category {index + 1} of the list"
        if not isinstance(record, dict):
            report("category_not_object", f"{where} is not an object", ERROR)
            continue
        key, name = record.get("id"), record.get("name")
        if type(key) not in (int, str):
            message = f"{where} has the id {key!r}: expected an integer or a string"
            report("category_bad_id", message, ERROR)
            continue
        # 1 and "1" would be the same key in results and in class maps kept as JSON.
        if str(key) in {str(k) for k in names}:
            report(
                "category_duplicate_id",
                f"category id {key!r} ({name!r}) is there before: the first is kept, "
                "give every category its own id",
                ERROR,
            )
            continue
        if not isinstance(name, str) or not name:
            message = f"category {key!r} has no name: it is called {str(key)!r}"
            report("category_missing_name", message, WARNING)
            name = str(key)
        elif name in names.values():
            message = f"category {key!r} has the name {name!r} of another one"
            report("category_duplicate_name", message, WARNING)
        names[key] = name
        if record.get("frequency") in ("r", "c", "f"):
            frequencies[key] = record["frequency"]
    if not names:
        raise DataError(
            f"{path}: there are no usable categories: expected at least one with an "
            "id and a name",
            "no_categories",
        )
    return names, frequencies
