"""Configurations as plain dicts, for JSON."""

import dataclasses
from typing import get_args

from tfmask.config.hints import (
    hints_of,
    is_group,
    item_group,
    members,
    settings_of,
    takes_parts,
    variants_of,
)
from tfmask.config.migration import migrate
from tfmask.config.schema import Config
from tfmask.config.settings import PartConfig
from tfmask.config.user_files import class_of, kind_of
from tfmask.config.values import convert, expected
from tfmask.errors import ConfigError

KIND = "kind"  # key of a variant's name, beside its settings


def to_dict(config) -> dict:
    """Plain dicts, lists and numbers, for JSON; a variant's name stands at `kind`."""
    value = {item.name: _plain(value) for item, _, value in settings_of(config)}
    if isinstance(config, PartConfig):
        return {KIND: kind_of(type(config)), **value}
    return value


def _plain(value):
    if is_group(value):
        return to_dict(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def from_dict(value: dict) -> Config:
    """The inverse of `to_dict`; what is missing takes its default.

    What version 0.1 wrote is read too.

    Raises:
      ConfigError: an unknown key, variant or file, or a value of another type.
    """
    if not isinstance(value, dict):
        raise ConfigError(f"{value!r}: expected the settings of a run, an object")
    return _group(migrate(value), Config, "")


def _group(value, kind: type, path: str):
    """A group of settings from a dict; `path` ends in a dot unless it is empty."""
    if not isinstance(value, dict):
        raise ConfigError(f"{path.rstrip('.')}={value!r}: expected settings, an object")
    hints = hints_of(kind)
    for name in value:
        if name not in hints:
            raise ConfigError(
                f"{path}{name}: no such setting; known: {', '.join(hints)}"
            )
    filled = {k: _value(v, hints[k], f"{path}{k}") for k, v in value.items()}
    return kind(**filled)


def _value(value, hint, path: str):
    """A setting, and the groups in a tuple or dict, from what JSON makes of them."""
    if takes_parts(hint) and isinstance(value, dict):
        return _part(value, hint, path)
    for kind in members(hint):
        group = item_group(kind)
        if group and isinstance(value, list):  # tuple[Group, ...]
            return tuple(
                _value(item, get_args(kind)[0], f"{path}.{i}")
                for i, item in enumerate(value)
            )
        if group and isinstance(value, dict):  # dict[str, Group]
            return {k: _value(v, group, f"{path}.{k}") for k, v in value.items()}
        if is_group(kind) and isinstance(value, dict):
            return _group(value, kind, f"{path}.")
    return convert(value, hint, path)


def _part(value: dict, hint, path: str) -> PartConfig:
    """The settings of a part; its class is the one that `kind` names."""
    value = dict(value)
    kind = value.pop(KIND, None)
    if not isinstance(kind, str):
        raise ConfigError(f"{path}.{KIND}={kind!r}: expected {expected(hint)}")
    return _group(value, part_class(kind, hint, path), f"{path}.")


def part_class(kind: str, hint, path: str) -> type[PartConfig]:
    """The settings' class of a variant by its tag, or of a user's by file and class.

    Raises:
      ConfigError: there is none of that name, or it needs more than its defaults.
    """
    variants = variants_of(hint)
    if kind in variants:
        return variants[kind]
    if ":" not in kind:
        raise ConfigError(f"{path}={kind}: expected {expected(hint)}")
    return class_of(kind, path)


def default_part(kind: str, hint, path: str) -> PartConfig:
    """The settings of a variant with their defaults."""
    part = part_class(kind, hint, path)
    needed = [
        item.name
        for item in dataclasses.fields(part)
        if item.default is item.default_factory is dataclasses.MISSING
    ]
    if needed:
        raise ConfigError(
            f"{path}={kind}: {needed[0]} has no default; set the part in a recipe"
        )
    return part()
