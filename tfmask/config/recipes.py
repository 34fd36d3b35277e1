"""Finding and running recipes."""

import difflib
import importlib
import importlib.util
from pathlib import Path

from tfmask.config.schema import Config
from tfmask.errors import ConfigError


def recipes_folder() -> Path:
    """The folder of the shipped recipes."""
    package = importlib.import_module("tfmask.configs")
    return Path(package.__file__).resolve().parent


def recipe_names() -> list[str]:
    """Names of the shipped recipes, sorted. Files `_*.py` are what recipes share."""
    root = recipes_folder()
    return sorted(
        path.relative_to(root).with_suffix("").as_posix()
        for path in root.rglob("*.py")
        if path.parent != root and not path.stem.startswith("_")
    )


def load_config(name: str) -> Config:
    """Runs a recipe.

    Args:
      name: path of a recipe file, or the name of a shipped one with or without `.py`
        and a leading `configs/`, e.g. `configs/demo/nuclei.py` or `demo/nuclei`.

    Raises:
      ConfigError: no such recipe (with the nearest names), or no `config()` in it.
    """
    path = Path(name)
    root = recipes_folder()
    if not path.is_file():
        inner = name.removeprefix("configs/").removesuffix(".py")
        path = root / f"{inner}.py"
        if not path.is_file():
            known = recipe_names()
            near = difflib.get_close_matches(inner, known, 3, 0.4) or known
            raise ConfigError(
                f"{name}: no such recipe file; shipped recipes near it: "
                + ", ".join(near)
            )
    if path.suffix != ".py":
        raise ConfigError(f"{path}: expected a recipe, a Python file NAME.py")
    path = path.resolve()
    if path.is_relative_to(root):
        dotted = ".".join(path.relative_to(root).with_suffix("").parts)
        module = importlib.import_module(f"tfmask.configs.{dotted}")
    else:
        spec = importlib.util.spec_from_file_location(f"recipe_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    if not callable(getattr(module, "config", None)):
        raise ConfigError(f"{path}: a recipe needs a function config() -> Config")
    value = module.config()
    if not isinstance(value, Config):
        raise ConfigError(f"{path}: config() must return a tfmask.config.Config")
    return value
