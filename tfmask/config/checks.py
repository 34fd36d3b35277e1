"""Checks of a whole configuration: each setting alone, then those that must agree."""

import dataclasses

from tfmask.config.agreement import check_agreement
from tfmask.config.hints import is_group, item_group, settings_of
from tfmask.config.schema import Config
from tfmask.config.settings import range_of
from tfmask.config.values import expected, has_type, write_text
from tfmask.errors import ConfigError


def get(config: Config, path: str):
    """The setting at a dotted path, e.g. `get(config, "model.boxes.stages.0.fg_iou")`.

    Raises:
      AttributeError, KeyError, IndexError: there is none.
    """
    value = config
    for name in path.split("."):
        if isinstance(value, tuple):
            value = value[int(name)]
        else:
            value = value[name] if isinstance(value, dict) else getattr(value, name)
    return value


def validate(config: Config) -> Config:
    """Checks types, ranges, and settings that must agree. Returns `config` unchanged.

    Raises:
      ConfigError: naming the path, the value, what is expected and how to mend it.
    """
    _check_group(config, "")
    check_agreement(config)
    return config


def _check_group(group, prefix: str) -> None:
    """Checks every setting of a group against its annotation and its range."""
    for item, hint, value in settings_of(group):
        path = f"{prefix}{item.name}"
        if not has_type(value, hint):
            _refuse(path, value, expected(hint), item)
        if is_group(value):
            _check_group(value, f"{path}.")
        elif isinstance(value, dict) and item_group(hint):
            for name, inner in value.items():
                _check_group(inner, f"{path}.{name}.")
        elif isinstance(value, tuple):
            _check_items(value, hint, path, item)
        elif isinstance(value, (int, float)) and not range_of(item).holds(value):
            _refuse(path, value, f"a number {range_of(item).words()}", item)


def _check_items(value: tuple, hint, path: str, item) -> None:
    """Checks how many items a tuple has, and each of them."""
    bounds = range_of(item)
    if not bounds.has_count(len(value)):
        _refuse(path, value, f"{bounds.count_words()} values", item)
    if item_group(hint):
        for i, inner in enumerate(value):
            _check_group(inner, f"{path}.{i}.")
        return
    numbers = [v for v in value if isinstance(v, (int, float))]
    if not all(map(bounds.holds, numbers)):
        _refuse(path, value, f"numbers {bounds.words()}", item)
    if bounds.ascending and any(a >= b for a, b in zip(value, value[1:])):
        _refuse(path, value, "numbers in ascending order", item)


def _refuse(path: str, value, words: str, item) -> None:
    """Raises the error of a value, with the default as an example of a good one."""
    example = item.default
    hint = ""
    if example is not dataclasses.MISSING and example not in ("", ()):
        hint = f", e.g. {path}={write_text(example)}"
    shown = repr(value) if value == () or is_group(value) else write_text(value)
    raise ConfigError(f"{path}={shown}: expected {words}{hint}")
