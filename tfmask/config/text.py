"""Configurations as text: `path=value` overrides and listings."""

import dataclasses
import difflib
import os
import shlex
from typing import get_args, get_origin

from tfmask.config.hints import (
    hints_of,
    is_group,
    item_group,
    settings_of,
    takes_parts,
    words_of,
)
from tfmask.config.plain import default_part
from tfmask.config.schema import Config
from tfmask.config.settings import PartConfig, default_of, is_path
from tfmask.config.train import LossWeightConfig, LossWeightPoint
from tfmask.config.user_files import kind_of
from tfmask.config.values import expected, has_type, read_text, write_text
from tfmask.errors import ConfigError


def apply_overrides(config: Config, overrides: list[str]) -> Config:
    """Sets `path=value` pairs, each checked against the setting's type, in this order.

    A variant is chosen by its tag, `model.neck=iefpn`, or by `FILE.py:CLASS`, and keeps
    settings of the same name that were not at their default. An item of a tuple has its
    index as name, `model.boxes.stages.0.fg_iou=0.6`; the index after the last one adds
    an item, and `model.boxes.stages=1` sets how many there are.
    `train.loss_weights.NAME=NUMBER` sets a constant weight for one loss term, and
    `data.merge.OLD=NEW` one text of a dict; OLD may have points in it.

    `~` in settings that name files is replaced by the home folder, in the whole
    configuration.

    Raises:
      ConfigError: unknown path (with a suggestion) or a value of another type.
    """
    for text in overrides:
        path, equals, raw = text.partition("=")
        if not equals:
            raise ConfigError(f"{text!r}: expected path=value, e.g. train.steps=1000")
        _set(config, Config, path.split("."), _Override(path, raw))
    _expand_home(config)
    return config


@dataclasses.dataclass
class _Override:
    """What was typed, for messages, and the path up to the group that is looked at."""

    path: str
    text: str
    seen: str = ""


def _set(value, hint, names: list[str], override: _Override):
    """The value, with the setting at `names` below it replaced."""
    if not names:
        return _read(value, hint, override)
    name, *rest = names
    if is_group(value):
        _check_name(value, name, override)
        hint = hints_of(type(value))[name]
        old = getattr(value, name)
        override.seen += f"{name}."
        setattr(value, name, _set(old, hint, rest, override))
        return value
    if isinstance(value, tuple) and get_args(hint):
        return _set_item(value, hint, name, rest, override)
    group = item_group(hint)
    if isinstance(value, dict) and group:
        override.seen += f"{name}."
        return {**value, name: _set(value.get(name, group()), group, rest, override)}
    if hint == dict[str, str]:
        return {**value, ".".join(names): override.text}
    raise ConfigError(
        f"{override.path}: {override.seen.rstrip('.')} has no settings inside it"
    )


def _set_item(value: tuple, hint, name: str, rest, override: _Override) -> tuple:
    inner, group = get_args(hint), item_group(hint)
    last = len(value) if group is not None else len(value) - 1
    if not name.isdecimal() or int(name) > last:
        raise ConfigError(
            f"{override.path}: expected the index of an item in place of {name!r}, "
            f"0 to {last}"
        )
    items = list(value)
    if group is not None and int(name) == len(value):
        items.append(group())
    override.seen += f"{name}."
    kind = inner[0] if inner[-1] is Ellipsis else inner[int(name)]
    items[int(name)] = _set(items[int(name)], kind, rest, override)
    return tuple(items)


def _read(old, hint, override: _Override):
    """The new value of the setting that an override names."""
    path, text = override.path, override.text
    if takes_parts(hint):
        return _read_part(old, hint, override)
    if hint is LossWeightConfig:
        weight = read_text(text, float, path)
        return LossWeightConfig(points=(LossWeightPoint(weight=weight),))
    if is_group(hint):
        inner = ", ".join(hints_of(hint))
        raise ConfigError(f"{path}: is a group of settings: {inner}")
    group = item_group(hint)
    if group and get_origin(hint) is tuple:
        count = max(read_text(text, int, path), 0)
        return (*old[:count], *(group() for _ in range(count - len(old))))
    if group:
        raise ConfigError(f"{path}: expected {path}.NAME=NUMBER")
    return read_text(text, hint, path)


def _read_part(old, hint, override: _Override):
    path, kind = override.path, override.text
    if kind in words_of(hint):
        return kind
    if not kind:
        raise ConfigError(f"{path}=: expected {expected(hint)}")
    part = default_part(kind, hint, path)
    if isinstance(old, PartConfig):
        if type(old) is type(part):
            return old
        _keep_changed(old, part)
    return part


def _keep_changed(old: PartConfig, new: PartConfig) -> None:
    """Brings settings that differ from their default to the same names in `new`.

    Not files: the weights of one backbone are not those of another.
    """
    hints = hints_of(type(new))
    for item, _, value in settings_of(old):
        changed = value != default_of(item) and not is_path(item)
        if changed and item.name in hints and has_type(value, hints[item.name]):
            setattr(new, item.name, value)


def _check_name(node, name: str, override: _Override) -> None:
    """Refuses a name that a group does not have, with the nearest one."""
    names = list(hints_of(type(node)))
    if name in names:
        return
    near = _below(node, name) or difflib.get_close_matches(name, names, 1, 0.5)
    if near:
        hint = f"did you mean {override.seen}{near[0]}?"
    else:
        hint = "known: " + ", ".join(names)
    kind = f" of {kind_of(type(node))}" if isinstance(node, PartConfig) else ""
    raise ConfigError(f"{override.path}: no such setting{kind}; {hint}")


def _below(node, name: str, prefix: str = "") -> list[str]:
    """Paths inside a group at which a setting has this name."""
    paths = []
    for item, _, value in settings_of(node):
        if item.name == name:
            paths.append(f"{prefix}{name}")
        if is_group(value):
            paths += _below(value, name, f"{prefix}{item.name}.")
        elif isinstance(value, tuple) and value and is_group(value[0]):
            paths += _below(value[0], name, f"{prefix}{item.name}.0.")
    return paths


def _expand_home(node) -> None:
    """Replaces `~` in settings that name files, also after the FORMAT of weights."""
    for item, _, value in settings_of(node):
        if is_group(value):
            _expand_home(value)
        elif is_path(item) and isinstance(value, str):
            setattr(node, item.name, _at_home(value))
        elif is_path(item) and isinstance(value, tuple):
            setattr(node, item.name, tuple(map(_at_home, value)))


def _at_home(path: str) -> str:
    head, colon, tail = path.partition(":")
    if path.startswith("~"):
        return os.path.expanduser(path)
    if tail.startswith("~"):
        return head + colon + os.path.expanduser(tail)
    return path


def describe(config: Config) -> str:
    """Every setting as a `path=value` line, the form that overrides take in a shell."""
    lines: list[str] = []
    _describe(config, "", lines)
    return "\n".join(lines)


def _describe(node, prefix: str, lines: list[str]) -> None:
    for item, hint, value in settings_of(node):
        _describe_value(value, hint, f"{prefix}{item.name}", lines)


def _describe_value(value, hint, path: str, lines: list[str]) -> None:
    if isinstance(value, PartConfig):
        lines.append(shlex.quote(f"{path}={kind_of(type(value))}"))
    if is_group(value):
        _describe(value, f"{path}.", lines)
    elif isinstance(value, tuple) and item_group(hint):
        lines.append(f"{path}={len(value)}")
        for i, item in enumerate(value):
            _describe(item, f"{path}.{i}.", lines)
    elif isinstance(value, dict) and item_group(hint):
        for name, item in value.items():
            _describe(item, f"{path}.{name}.", lines)
    elif hint == dict[str, str]:
        lines += [shlex.quote(f"{path}.{name}={text}") for name, text in value.items()]
    else:
        lines.append(shlex.quote(f"{path}={write_text(value)}"))
