"""Finding and running recipes."""

import difflib
import functools
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path

from tfmask.config.schema import Config
from tfmask.config.user_files import files_beside, load_file
from tfmask.errors import ConfigError

# What recipes are made of, and the tables of figures: these hold no recipes.
_NO_RECIPES = ("__init__", "lineages")


def recipes_folder() -> Path:
    """The folder of the shipped recipes."""
    (folder,) = importlib.import_module("tfmask.configs").__path__
    return Path(folder).resolve()


@functools.cache
def _recipes() -> dict[str, Callable[[], Config]]:
    """The functions of the shipped recipes by name, `maskplus/cf_256x2` for one."""
    functions = {}
    for path in sorted(recipes_folder().glob("*.py")):
        if path.stem in _NO_RECIPES:
            continue
        module = importlib.import_module(f"tfmask.configs.{path.stem}")
        for name, value in vars(module).items():
            own = inspect.isfunction(value) and value.__module__ == module.__name__
            if own and not name.startswith("_"):
                functions[f"{path.stem}/{name}"] = value
    return functions


def recipe_names() -> list[str]:
    """Names of the shipped recipes, sorted: the module of a paper, and a function."""
    return sorted(_recipes())


def recipe_summary(name: str) -> str:
    """What a shipped recipe is, in one line: the first of its docstring."""
    return (inspect.getdoc(_recipes()[name]) or "").partition("\n")[0]


def load_config(name: str) -> Config:
    """Runs a recipe.

    Args:
      name: path of a recipe file with a function `config() -> Config`, or the name of a
        shipped recipe, with or without `configs/` before it and `.py` behind it.

    Raises:
      ConfigError: no such recipe (with the nearest names), or no `config()` in it.
    """
    path = Path(name).expanduser()
    shipped = name.removeprefix("configs/").removesuffix(".py")
    if not path.is_file() and shipped in _recipes():
        return _recipes()[shipped]()
    if not path.is_file():
        known = recipe_names()
        near = difflib.get_close_matches(shipped, known, 3, 0.4) or known
        raise ConfigError(
            f"{name}: no such recipe file; shipped recipes near it: " + ", ".join(near)
        )
    module = load_file(path)
    function = getattr(module, "config", None)
    if not callable(function):
        raise ConfigError(f"{path}: a recipe needs a function config() -> Config")
    with files_beside(path.resolve()):
        value = function()
    if not isinstance(value, Config):
        raise ConfigError(f"{path}: config() must return a tfmask.config.Config")
    return value
