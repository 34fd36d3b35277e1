"""What the annotations of settings say: words, variants, groups and their items."""

import dataclasses
import functools
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args, get_origin

from tfmask.config.settings import PartConfig


class Setting(NamedTuple):
    """A field of a group of settings, with its resolved annotation and its value."""

    item: dataclasses.Field
    hint: Any
    value: Any


def hints_of(group: type) -> dict[str, Any]:
    """Annotations of a dataclass's fields, by name, with all names resolved."""
    return _hints_of(group)


@functools.cache
def _hints_of(group: type) -> dict[str, Any]:
    hints = typing.get_type_hints(group)
    return {item.name: hints[item.name] for item in dataclasses.fields(group)}


def settings_of(group) -> Iterator[Setting]:
    """The settings of a group, in order."""
    hints = hints_of(type(group))
    for item in dataclasses.fields(group):
        yield Setting(item, hints[item.name], getattr(group, item.name))


def is_group(value) -> bool:
    """Whether a value, or the class of an annotation, is a group of settings."""
    return dataclasses.is_dataclass(value)


def members(hint) -> tuple:
    """The alternatives of a union; any other annotation alone."""
    union = get_origin(hint) in (typing.Union, types.UnionType)
    return get_args(hint) if union else (hint,)


def words_of(hint) -> tuple:
    """The values of an annotation that is a choice of words or numbers, or has one."""
    return tuple(
        word
        for member in members(hint)
        if get_origin(member) is Literal
        for word in get_args(member)
    )


def variants_of(hint) -> dict[str, type[PartConfig]]:
    """tfmask's own variants among the alternatives of an annotation, by their tags."""
    return {
        member.own_tag(): member
        for member in members(hint)
        if _is_part(member) and member.own_tag()
    }


def takes_parts(hint) -> bool:
    """Whether an annotation takes the settings of a part, of tfmask's or a user's."""
    return any(map(_is_part, members(hint)))


def _is_part(member) -> bool:
    return isinstance(member, type) and issubclass(member, PartConfig)


def item_group(hint) -> type | None:
    """The class of the groups that a tuple[Group, ...] or dict[str, Group] holds."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is tuple and is_group(inner[0]):
        return inner[0]
    if origin is dict and is_group(inner[1]):
        return inner[1]
    return None
