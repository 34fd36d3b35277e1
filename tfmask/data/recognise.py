"""Which format lies at a path, by names and by what a file holds; nothing is parsed."""

import mmap
import os
from pathlib import PurePath


def is_coco(path: str) -> bool:
    """A JSON file, or a folder with `annotations.json`."""
    return path.endswith(".json") or os.path.isfile(_annotations(path))


def is_lvis(path: str) -> bool:
    """A COCO file whose images say of which classes they hold no instance."""
    file = _annotations(path) if os.path.isdir(path) else path
    if not is_coco(path) or not os.path.isfile(file) or not os.path.getsize(file):
        return False
    with (
        open(file, "rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return content.find(b'"neg_category_ids"') >= 0


def is_cityscapes(path: str) -> bool:
    """A folder below `gtFine` or `leftImg8bit`."""
    parts = PurePath(path).parts
    return os.path.isdir(path) and ("gtFine" in parts or "leftImg8bit" in parts)


def _annotations(folder: str) -> str:
    return os.path.join(folder, "annotations.json")
