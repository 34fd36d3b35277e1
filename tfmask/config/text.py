"""Configurations as text: `path=value` overrides, plain dicts, listings."""

import ast
import dataclasses
import difflib
import math
import typing

from tfmask.config.schema import Config, LossWeightConfig, LossWeightPoint, PublishedRow
from tfmask.errors import ConfigError


def apply_overrides(config: Config, overrides: list[str]) -> Config:
    """Sets `path=value` pairs, each checked against the field's type.

    `train.loss_weights.NAME=NUMBER` sets a constant weight for one loss term.

    Raises:
      ConfigError: unknown path (with a suggestion) or a value of another type.
    """
    for text in overrides:
        path, equals, raw = text.partition("=")
        if not equals:
            raise ConfigError(f"{text!r}: expected path=value, e.g. train.steps=1000")
        if path.startswith("train.loss_weights."):
            term = path.removeprefix("train.loss_weights.")
            weight = _parse(raw, float, path)
            config.train.loss_weights[term] = LossWeightConfig(
                points=(LossWeightPoint(at=0, weight=weight),)
            )
            continue
        *parents, name = path.split(".")
        node, seen = config, ""
        for part in parents:
            node = getattr(_checked(node, part, seen, path), part)
            seen = f"{seen}{part}."
        hints = typing.get_type_hints(type(_checked(node, name, seen, path)))
        if dataclasses.is_dataclass(getattr(node, name)):
            inner = ", ".join(f.name for f in dataclasses.fields(getattr(node, name)))
            raise ConfigError(f"{path}: is a group of settings: {inner}")
        setattr(node, name, _parse(raw, hints[name], path))
    return config


def _checked(node, name: str, seen: str, path: str):
    """The node itself when it is a group that has `name`; else the error to raise."""
    if not dataclasses.is_dataclass(node):
        raise ConfigError(f"{path}: {seen.rstrip('.')} has no settings inside it")
    names = [f.name for f in dataclasses.fields(node)]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1, 0.5)
        hint = (
            f"did you mean {seen}{near[0]}?" if near else "known: " + ", ".join(names)
        )
        raise ConfigError(f"{path}: no such setting; {hint}")
    return node


def _parse(raw: str, kind, path: str):
    """Text of the command line as a value of the annotated type."""
    if kind is str:
        return raw
    lowered = raw.strip().lower()
    if kind is bool and lowered in ("true", "false"):
        return lowered == "true"
    try:
        value = ast.literal_eval(raw.strip())
    except (ValueError, SyntaxError):
        value = raw
    return _coerce(value, kind, path, raw)


def _coerce(value, kind, path: str, raw):
    origin = typing.get_origin(kind)
    if origin is tuple:
        inner = typing.get_args(kind)
        items = value if isinstance(value, (tuple, list)) else (value,)
        if isinstance(value, str):
            items = tuple(v for v in value.split(",") if v)
        if inner[-1] is Ellipsis:
            return tuple(_coerce(v, inner[0], path, raw) for v in items)
        if len(items) == len(inner):
            return tuple(_coerce(v, k, path, raw) for v, k in zip(items, inner))
        raise ConfigError(f"{path}={raw}: expected {len(inner)} values")
    if origin is dict and isinstance(value, dict):
        return value
    if (
        kind is float
        and isinstance(value, (int, float))
        and not isinstance(value, bool)
    ):
        if not math.isfinite(value):
            raise ConfigError(f"{path}={raw}: expected a finite number")
        return float(value)
    if kind in (int, bool, str) and type(value) is kind:
        return value
    word = getattr(kind, "__name__", str(kind)) if origin is None else str(kind)
    raise ConfigError(f"{path}={raw}: expected {word}")


def to_dict(config) -> dict:
    """Plain dicts, lists and numbers, for JSON."""
    return dataclasses.asdict(config)


def from_dict(value: dict, kind=Config, path: str = ""):
    """The inverse of `to_dict`; unknown keys are errors, missing ones take defaults."""
    hints = typing.get_type_hints(kind)
    unknown = set(value) - set(hints)
    if unknown:
        raise ConfigError(f"{path}{min(unknown)}: no such setting")
    filled = {k: _from_plain(v, hints[k], f"{path}{k}") for k, v in value.items()}
    return kind(**filled)


def _from_plain(value, kind, path: str):
    """A setting, and the settings in a tuple or dict, from what JSON makes of them."""
    if dataclasses.is_dataclass(kind):
        return from_dict(value, kind, f"{path}.")
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if inner and dataclasses.is_dataclass(inner[0]):  # tuple[Group, ...]
        return tuple(_from_plain(v, inner[0], path) for v in value)
    if origin is dict and dataclasses.is_dataclass(inner[1]):  # dict[str, Group]
        return {k: _from_plain(v, inner[1], f"{path}.{k}") for k, v in value.items()}
    return _coerce(value, kind, path, value)


def describe(config: Config) -> str:
    """Every setting as a `path=value` line, the form that overrides take.

    Published figures, which are no setting, are a line for each table.
    """
    lines: list[str] = []

    def walk(node, prefix: str) -> None:
        for item in dataclasses.fields(node):
            value = getattr(node, item.name)
            if item.name == "published":
                lines.extend(f"published: {_one_line(row)}" for row in value)
            elif dataclasses.is_dataclass(value):
                walk(value, f"{prefix}{item.name}.")
            else:
                lines.append(f"{prefix}{item.name}={value!r}")

    walk(config, "")
    return "\n".join(lines)


def _one_line(row: PublishedRow) -> str:
    figures = ", ".join(f"{name} {value:g}" for name, value in row.metrics.items())
    return f"{row.paper}, {row.table}, {row.row}, {row.data}: {figures}"
