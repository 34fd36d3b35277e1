"""Which files are the shards of a set of TFRecords, and what lies beside them.

A set is named by a pattern (`tf/train-*.tfrecord`), by its prefix and number of shards
(`tf/train@32`), by a folder that holds one set, or is a single file. What tfmask writes
has two files beside the shards: `PREFIX_label_map.pbtxt`, the classes as the Object
Detection API has them, and `PREFIX_records.json`, the number of records of each shard.
"""

import glob
import json
import os
import re
from typing import NamedTuple

from tfmask.data.problems import ERROR, Problem
from tfmask.errors import DataError
from tfmask.structures import ClassMap

SUFFIX = ".tfrecord"
_NUMBERED = re.compile(r"-(\d{5,})-of-(\d{5,})")
_SHARD = re.compile(r"\.tf_?records?($|[-.])|\.record($|[-.])|-\d{5,}-of-\d{5,}$", re.I)
_SPECIFICATION = re.compile(r"^(.*)@(\d+)$")
# A string of protocol buffers' text form, and a field of it.
_ITEM = re.compile(r"item\s*:?\s*\{(.*?)\}", re.S)
_FIELD = re.compile(
    r"(\w+)\s*:\s*(?:(-?\d+)|\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)')"
)


class ShardSet(NamedTuple):
    """The files of one set."""

    prefix: str  # path of the shards without their numbers
    paths: list[str]  # sorted
    problems: list[Problem]  # shards that are not there


def shard_path(prefix: str, index: int, count: int) -> str:
    """`PREFIX-00000-of-00032.tfrecord`, as Model Garden's tools name them."""
    return f"{prefix}-{index:05d}-of-{count:05d}{SUFFIX}"


def split_specification(path: str) -> tuple[str, int | None]:
    """(prefix, number of shards) of `PREFIX@N`; the number is None without `@N`."""
    found = _SPECIFICATION.match(path)
    return (found[1], int(found[2])) if found else (path, None)


def looks_like_shards(path: str) -> bool:
    """Whether a path names a set of TFRecords, by its form or by what lies there."""
    if os.path.isdir(path):
        return any(_SHARD.search(name) for name in os.listdir(path))
    name = os.path.basename(path)
    return bool(_SHARD.search(name) or _SPECIFICATION.match(name))


def find_shards(path: str) -> ShardSet:
    """The shards that a path names.

    Raises:
      DataError: there is none, or a folder holds several sets.
    """
    prefix, count = split_specification(path)
    if os.path.isfile(path):
        paths = [path]
    elif count is not None:
        paths = glob.glob(f"{glob.escape(prefix)}-*-of-{count:05d}*")
    elif os.path.isdir(path):
        paths = [os.path.join(path, name) for name in os.listdir(path)]
    else:
        paths = glob.glob(path)
    paths = sorted(p for p in paths if _SHARD.search(os.path.basename(p)))
    if not paths:
        raise DataError(
            f"{path}: no TFRecord files: expected a pattern such as "
            "tf/train-*.tfrecord, PREFIX@NUMBER, a folder of shards, or a file",
            "file_missing",
        )
    prefixes = sorted({_prefix(p) for p in paths})
    if len(prefixes) > 1 and os.path.isdir(path):
        raise DataError(
            f"{path}: holds several sets: expected one of "
            + ", ".join(f"{p}-*" for p in prefixes[:5]),
            "several_sets",
        )
    return ShardSet(prefixes[0], paths, _missing(paths))


def read_classes(shards: ShardSet) -> tuple[str, ClassMap] | None:
    """The label map that lies beside the shards, with its path; None without one.

    That is PREFIX_label_map.pbtxt, or else the folder's only `*.pbtxt`.

    Raises:
      DataError: it cannot be read as a label map.
    """
    path = label_map_path(shards.prefix)
    if not os.path.isfile(path):
        folder = os.path.dirname(shards.prefix) or os.curdir
        others = glob.glob(os.path.join(glob.escape(folder), "*.pbtxt"))
        if len(others) != 1:
            return None
        path = others[0]
    with open(path, encoding="utf-8") as stream:
        text = re.sub(r"#[^\n]*", "", stream.read())
    names: dict[int, str] = {}
    for item in _ITEM.findall(text):
        fields = {
            key: number or _unescaped(double or single)
            for key, number, double, single in _FIELD.findall(item)
        }
        name = fields.get("display_name") or fields.get("name")
        if not fields.get("id", "").lstrip("-").isdecimal() or not name:
            raise DataError(
                f"{path}: item {len(names) + 1} has no id or no name: expected "
                "item { id: 1 name: 'cat' }",
                "label_map_bad",
            )
        names[int(fields["id"])] = name
    if not names:
        raise DataError(
            f"{path}: there are no items: expected item {{ id: 1 name: 'cat' }}",
            "label_map_bad",
        )
    ids = sorted(names)
    return path, ClassMap(tuple(ids), tuple(names[key] for key in ids))


def format_classes(class_map: ClassMap) -> str:
    """The text of a label map."""
    items = [
        f"item {{\n  id: {key}\n  name: {json.dumps(name, ensure_ascii=False)}\n}}\n"
        for key, name in zip(class_map.ids, class_map.names)
    ]
    return "".join(items)


def read_counts(shards: ShardSet) -> dict[str, int]:
    """How many records each shard has by what was written beside it; may be empty.

    Raises:
      DataError: the file that says so is damaged.
    """
    path = counts_path(shards.prefix)
    if not os.path.isfile(path):
        return {}
    try:
        with open(path, encoding="utf-8") as stream:
            value = json.load(stream)
        return {str(name): int(count) for name, count in value.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}): expected the number of records of each "
            "shard; without the file it is not checked",
            "counts_bad",
        ) from None


def label_map_path(prefix: str) -> str:
    return f"{prefix}_label_map.pbtxt"


def counts_path(prefix: str) -> str:
    return f"{prefix}_records.json"


def _prefix(path: str) -> str:
    """The path without number and suffix."""
    folder, name = os.path.split(path)
    name = _NUMBERED.sub("", name)
    return os.path.join(folder, re.sub(r"\.(tf_?records?|record)$", "", name))


def _missing(paths: list[str]) -> list[Problem]:
    """A problem for every set of numbered shards that is not whole."""
    present: dict[tuple, set[int]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        found = _NUMBERED.search(name)
        if found:
            form = name[: found.start()], found[2], name[found.end() :]
            present.setdefault((folder, *form), set()).add(int(found[1]))
    problems = []
    for (folder, start, count, end), numbers in present.items():
        absent = sorted(set(range(int(count))) - numbers)
        if absent:
            width = len(count)
            named = [f"{start}-{n:0{width}d}-of-{count}{end}" for n in absent[:3]]
            more = ", ..." if len(absent) > 3 else ""
            message = (
                f"{len(absent)} of {int(count)} shards are not in {folder or '.'}: "
                f"{', '.join(named)}{more}"
            )
            problems.append(Problem("shard_missing", None, None, message, ERROR))
    return problems


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
