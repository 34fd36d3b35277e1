"""Finding image files whose names in the annotations are plainly meant but not exact.

Tools write the path of another machine or another system: backslashes, the name of the
image folder once more, %20, letters composed of two characters, other letter case. Such
a name is followed where it leads to exactly one file; otherwise the caller is told what
lies near.
"""

import difflib
import os
import re
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import unquote, urlsplit

_MOST_FILES = 500_000  # in a larger folder nothing is searched for
_MOST_COMPARED = 5_000  # in a larger folder no name is compared with all others


def escapes(name: str) -> bool:
    """Whether a name is absolute or has `..`, by the rules of POSIX or of Windows."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    rooted = posix.is_absolute() or windows.drive or windows.root
    return bool(rooted) or ".." in posix.parts or ".." in windows.parts


def url_name(url) -> str:
    """The path in LVIS's `coco_url`: `val2017/000000397133.jpg`; empty for others."""
    if not isinstance(url, str):
        return ""
    try:
        path = urlsplit(url).path
    except ValueError:  # e.g. a bracket without its pair
        return ""
    return path.lstrip("/")


class ImageFiles:
    """The files below an image folder. Thread-safe; listed when first asked for.

    Args:
      folder: the image folder.
    """

    def __init__(self, folder: str):
        self.folder = folder
        self._lock = threading.Lock()
        self._paths: list[str] | None = None
        self._by_key: dict = {}

    def relative(self, name: str) -> str | None:
        """An absolute path as a name inside the folder; None if it leads elsewhere."""
        if not os.path.isabs(name):
            return None
        for path, folder in (
            (os.path.normpath(name), os.path.abspath(self.folder)),
            (os.path.realpath(name), os.path.realpath(self.folder)),
        ):
            if path.startswith(os.path.join(folder, "")):
                return os.path.relpath(path, folder).replace(os.sep, "/")
        return None

    def find(self, *names: str) -> str | None:
        """The one file that the names can mean, relative to the folder; else None.

        Args:
          names: as in the annotations; an earlier one goes before a later one.
        """
        forms = list(dict.fromkeys(f for name in names for f in self._forms(name)))
        self._list()
        for key in _KEYS:
            table = self._by_key.get(key, {})
            for form in forms:
                paths = table.get(key(form), ())
                if len(paths) == 1:
                    return paths[0]
                if paths:  # a looser key would not tell them apart either
                    return None
        return None

    def near(self, *names: str) -> list[str]:
        """At most three files that a name may have meant, relative to the folder."""
        paths = self._list()
        near: list[str] = []
        for name in filter(None, names):
            last = _folded(name.replace("\\", "/").rpartition("/")[2])
            stem = os.path.splitext(last)[0]
            near += [p for p in paths if _folded(os.path.basename(p)) == last]
            near += [p for p in paths if os.path.splitext(_basename(p))[0] == stem]
            if not near and len(paths) <= _MOST_COMPARED:
                close = difflib.get_close_matches(last, map(_basename, paths), 1, 0.8)
                near += [p for p in paths if _basename(p) in close]
        return list(dict.fromkeys(near))[:3]

    def _forms(self, name: str) -> Iterator[str]:
        """The name with slashes, decoded, and without a repeated folder name."""
        slashed = re.sub(r"[\\/]+", "/", name).removeprefix("./")
        above = [_folded(p) for p in os.path.abspath(self.folder).split(os.sep) if p]
        for form in (slashed, unquote(slashed)):
            yield form
            parts = form.split("/")
            for count in range(1, min(len(parts), len(above) + 1)):
                if [_folded(p) for p in parts[:count]] == above[-count:]:
                    yield "/".join(parts[count:])

    def _list(self) -> list[str]:
        with self._lock:
            if self._paths is None:
                self._paths = self._walk()
                for key in _KEYS:
                    table = self._by_key.setdefault(key, {})
                    for path in self._paths:
                        table.setdefault(key(path), []).append(path)
            return self._paths

    def _walk(self) -> list[str]:
        paths: list[str] = []
        for folder, _, names in os.walk(self.folder):
            inner = os.path.relpath(folder, self.folder)
            prefix = "" if inner == os.curdir else f"{inner.replace(os.sep, '/')}/"
            paths += [prefix + name for name in names]
            if len(paths) > _MOST_FILES:
                return []
        return sorted(paths)


def _as_it_is(name: str) -> str:
    return name


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _basename(path: str) -> str:
    return _folded(os.path.basename(path))


# What two names must share to be the same one: the strictest first.
_KEYS = (_as_it_is, _composed, _folded)
