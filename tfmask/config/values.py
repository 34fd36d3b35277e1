"""Single values of settings: as text, from JSON, and whether they have their type."""

import ast
import math
import os
from typing import Any, Literal, get_args, get_origin

from tfmask.config.hints import item_group, members, takes_parts, variants_of, words_of
from tfmask.config.settings import PartConfig
from tfmask.config.user_files import kind_of
from tfmask.errors import ConfigError

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def read_text(text: str, hint, path: str):
    """A value of the annotated type from the text of an override.

    Raises:
      ConfigError: it is of another type; the message says which is expected.
    """
    kinds = members(hint)
    words = words_of(hint)
    if kinds == (str, tuple[str, ...]):
        # The name of a file may have commas too.
        one = "," not in text or os.path.exists(os.path.expanduser(text))
        return text if one else tuple(item.strip() for item in text.split(","))
    if kinds == (tuple[str, ...],) and text.strip()[:1] not in ("(", "["):
        # Texts that Python would read as numbers too.
        return convert(text, hint, path, text)
    if str in kinds or text in words:
        return text
    lowered = text.strip().lower()
    if bool in kinds and lowered in ("true", "false"):
        return lowered == "true"
    if type(None) in kinds and lowered == "none":
        return None
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        value = text
    return convert(value, hint, path, text)


def convert(value, hint, path: str, text: str | None = None):
    """A value that JSON or Python's literals can hold, as the annotated type has it.

    Lists become tuples, whole numbers floats where one is expected.

    Raises:
      ConfigError: it is of another type.
    """
    shown = repr(value) if text is None else text
    if isinstance(value, str) and str in members(hint):
        return value
    for kind in members(hint):
        if get_origin(kind) is tuple:
            return _convert_tuple(value, kind, path, shown)
    if type(value) is int and float in members(hint) and int not in members(hint):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{path}={shown}: expected a finite number")
    if has_type(value, hint):
        return value
    raise ConfigError(f"{path}={shown}: expected {expected(hint)}")


def _convert_tuple(value, hint, path: str, shown: str):
    inner = get_args(hint)
    items = value if isinstance(value, (tuple, list)) else (value,)
    if isinstance(value, str):
        items = tuple(item.strip() for item in value.split(",") if item.strip())
    if inner[-1] is Ellipsis:
        return tuple(convert(item, inner[0], path, shown) for item in items)
    if len(items) == len(inner):
        return tuple(convert(v, kind, path, shown) for v, kind in zip(items, inner))
    raise ConfigError(f"{path}={shown}: expected {len(inner)} values")


def has_type(value, hint) -> bool:
    """Whether a value is of the annotated type; what a group holds is not looked at."""
    return any(_has_kind(value, kind) for kind in members(hint))


def _has_kind(value, kind) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if kind is None:
        return value is None
    if origin is Literal:
        return any(type(value) is type(word) and value == word for word in inner)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if inner[-1] is Ellipsis:
            return all(has_type(item, inner[0]) for item in value)
        return len(value) == len(inner) and all(map(has_type, value, inner))
    if origin is dict:
        return isinstance(value, dict) and all(
            has_type(k, inner[0]) and has_type(v, inner[1]) for k, v in value.items()
        )
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    if isinstance(kind, type) and issubclass(kind, PartConfig):
        # PartConfig itself stands for parts from outside, not for tfmask's of any slot.
        own = kind is PartConfig and isinstance(value, kind) and not value.own_tag()
        return own or type(value) is kind
    if kind in (int, bool, str):
        return type(value) is kind
    return isinstance(value, origin or kind)


def expected(hint) -> str:
    """What an annotation takes, in words, e.g. `one of auto, apply, ignore`."""
    choices = [str(word) for word in words_of(hint)]
    if takes_parts(hint):
        choices += [*variants_of(hint), "FILE.py:CLASS of your own"]
    if choices:
        return f"one of {', '.join(choices)}"
    kinds = members(hint)
    if get_origin(kinds[0]) is tuple:
        return f"{_items(kinds[0])} in a tuple"
    if get_origin(kinds[0]) is dict:
        return "a dict"
    return " or ".join(
        _NAMES.get(kind, getattr(kind, "__name__", "?")) for kind in kinds
    )


def _items(hint) -> str:
    inner = get_args(hint)
    count = "" if inner[-1] is Ellipsis else f"{len(inner)} of them, "
    group = item_group(hint)
    return count + (f"{group.__name__}s" if group else f"each {expected(inner[0])}")


def write_text(value) -> str:
    """A value as the text of an override, the inverse of `read_text`."""
    if isinstance(value, tuple):
        return ",".join(write_text(item) for item in value)
    if isinstance(value, PartConfig):
        return kind_of(type(value))
    return str(value)
