"""Python files of the user's: recipes, and the parts that they bring along.

A file is run once, under a module name of its own, so that the classes in it stay the
same ones however often it is named. While it runs it may import the files beside it;
`sys.path` is not touched, and their plain names do not stay behind for other recipes.
"""

import contextlib
import importlib
import importlib.abc
import importlib.util
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tfmask.config.settings import PartConfig
from tfmask.errors import ConfigError


def load_file(path: str | Path) -> ModuleType:
    """The module of a Python file, which is run unless it was before and is unchanged.

    Raises:
      ConfigError: there is no such file, or it is no Python file.
    """
    path = Path(path).expanduser().resolve()
    if path.suffix != ".py":
        raise ConfigError(f"{path}: expected a Python file, NAME.py")
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; has it been moved or renamed?")
    for module in list(sys.modules.values()):
        names = _names(module)
        if names.get("__file__") == str(path):
            if names.get("__tfmask_stamp__", _stamp(path)) == _stamp(path):
                return module
    return _run(path)


def _names(module) -> dict:
    """What a module defines. A lazy one, as TensorFlow has, is not loaded by this."""
    if not isinstance(module, ModuleType):
        return {}
    return object.__getattribute__(module, "__dict__")


def _run(path: Path) -> ModuleType:
    name = f"{path.stem}_{zlib.crc32(str(path).encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path}: expected a Python file")
    module = importlib.util.module_from_spec(spec)
    vars(module)["__tfmask_stamp__"] = _stamp(path)
    # Dataclasses look up the names in their annotations in sys.modules.
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        with files_beside(path):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise
    return module


def _stamp(path: Path) -> tuple[int, int]:
    """Changes when the file does."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@contextlib.contextmanager
def files_beside(path: Path) -> Iterator[None]:
    """Inside, `import name` finds the file name.py beside this one."""
    finder = _FilesBeside(path.parent)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in finder.names:
            sys.modules.pop(name, None)


class _FilesBeside(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the files of one folder by `load_file`, each under its plain name too."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.names: list[str] = []

    def find_spec(self, fullname, path=None, target=None):
        file = self.folder / f"{fullname}.py"
        if path is None and fullname not in sys.stdlib_module_names and file.is_file():
            return importlib.util.spec_from_loader(fullname, self, origin=str(file))
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__spec__.name
        # The import system returns what stands in sys.modules when this is done.
        sys.modules[name] = load_file(self.folder / f"{name}.py")
        self.names.append(name)


def class_of(kind: str, path: str) -> type[PartConfig]:
    """The settings' class that `FILE.py:CLASS` or `MODULE:CLASS` names.

    Args:
      kind: the name.
      path: the setting it is for, for messages.

    Raises:
      ConfigError: no such file, module or class, or it is no subclass of PartConfig.
    """
    place, colon, name = kind.rpartition(":")
    is_file = place.endswith(".py")
    if not colon or not (is_file or all(map(str.isidentifier, place.split(".")))):
        raise ConfigError(f"{path}={kind}: expected FILE.py:CLASS or MODULE:CLASS")
    try:
        module = load_file(place) if is_file else importlib.import_module(place)
    except ConfigError as error:
        raise ConfigError(f"{path}={kind}: {error}") from error
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{path}={kind}: {error}; install it, or put its folder on PYTHONPATH"
        ) from error
    value = getattr(module, name, None)
    if value is None:
        raise ConfigError(f"{path}={kind}: {place} has no class {name}")
    if not (isinstance(value, type) and issubclass(value, PartConfig)):
        raise ConfigError(
            f"{path}={kind}: expected a dataclass that is a subclass of "
            "tfmask.config.PartConfig"
        )
    return value


def kind_of(part: type[PartConfig]) -> str:
    """The name of a part's settings in JSON and on the command line.

    It is the tag of one of tfmask's variants; `MODULE:CLASS` for a class inside a
    package; `/FOLDER/FILE.py:CLASS` for one in a file that stands alone.
    """
    if part.own_tag():
        return part.own_tag()
    if "." in part.__module__:
        return f"{part.__module__}:{part.__qualname__}"
    file = getattr(sys.modules[part.__module__], "__file__", None)
    if file is None:
        raise ConfigError(
            f"{part.__qualname__}: settings of a part must be defined in a file, so "
            "that a run can find them again"
        )
    return f"{Path(file).resolve()}:{part.__qualname__}"
