"""What a setting is, a dataclass field with its range, and what settings a part has."""

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

_RANGE = "tfmask_range"
_PATH = "tfmask_path"
_ARGUMENT = "tfmask_argument"


@dataclass(frozen=True, kw_only=True)
class Range:
    """The values that a setting takes beside its type. Of a tuple: those of each item.

    Attributes:
      at_least, at_most: bounds that are good values themselves.
      above, below: bounds that are not.
      multiple_of: the value is divisible by this.
      items: how many items a tuple has: exactly so many, or a pair (least, most).
      ascending: each item of a tuple is larger than the one before it.
    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    multiple_of: int | None = None
    items: int | tuple[int, int] | None = None
    ascending: bool = False

    def holds(self, number: float) -> bool:
        """Whether a single number, or item of a tuple, lies inside the bounds."""
        return (
            (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (self.at_most is None or number <= self.at_most)
            and (self.below is None or number < self.below)
            and (self.multiple_of is None or number % self.multiple_of == 0)
        )

    def has_count(self, count: int) -> bool:
        """Whether a tuple of so many items is long enough and not too long."""
        if self.items is None:
            return True
        least, most = self._items()
        return least <= count <= most

    def words(self) -> str:
        """The bounds of a number in words, e.g. `from 0 to 1`; empty without any."""
        lower = upper = ""
        if self.at_least is not None:
            lower = f"of at least {self.at_least:g}"
        if self.above is not None:
            lower = f"above {self.above:g}"
        if self.at_most is not None:
            upper = f"at most {self.at_most:g}"
        if self.below is not None:
            upper = f"below {self.below:g}"
        if self.at_least is not None and self.at_most is not None:
            texts = [f"from {self.at_least:g} to {self.at_most:g}"]
        else:
            texts = [" and ".join(text for text in (lower, upper) if text)]
        if self.multiple_of is not None:
            texts.append(f"a multiple of {self.multiple_of}")
        return ", ".join(text for text in texts if text)

    def count_words(self) -> str:
        """How many items a tuple has, in words, e.g. `exactly 3 values`."""
        least, most = self._items()
        values = "value" if most == 1 or (least == 1 and most == _MANY) else "values"
        if least == most:
            return f"exactly {least} {values}"
        if most == _MANY:
            return f"at least {least} {values}"
        return f"{least} to {most} {values}"

    def _items(self) -> tuple[int, int]:
        if isinstance(self.items, tuple):
            return self.items
        return (0, _MANY) if self.items is None else (self.items, self.items)


_MANY = 10**9
SOME = (1, _MANY)  # for `items`: a tuple that is not empty


def setting(
    default: Any,
    *,
    path: bool = False,
    argument: bool = True,
    **bounds: Any,
) -> Any:
    """A dataclass field with its range.

    Args:
      default: value, or a class or function that makes one.
      path: it names a file or folder; `~` in it is the user's home.
      argument: it is a keyword of the constructor of the part whose settings these are.
      bounds: fields of Range.
    """
    metadata = {_RANGE: Range(**bounds), _PATH: path, _ARGUMENT: argument}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def range_of(item: dataclasses.Field) -> Range:
    """The range of a field; one without bounds where none was given."""
    return item.metadata.get(_RANGE) or Range()


def default_of(item: dataclasses.Field) -> Any:
    """The default of a field; dataclasses.MISSING where it has none."""
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return item.default


def is_path(item: dataclasses.Field) -> bool:
    """Whether a field names a file or folder."""
    return bool(item.metadata.get(_PATH))


@dataclass(kw_only=True)
class PartConfig:
    """Settings of a part that can be another one: a backbone, a neck, a head, a reader.

    A part from outside tfmask is a subclass in a file of the user's, with `layer` set
    to the class that it configures; the names of its fields are the keywords of that
    class's constructor. A configuration on disk names it by its file and class.

        @dataclass(kw_only=True)
        class MyNeckConfig(PartConfig):
            layer: ClassVar[type] = MyNeck
            channels: int = setting(256, at_least=1)

    Attributes:
      tag: short name of a variant that tfmask has, on the command line and as `kind` in
        JSON; empty in a part from outside.
      layer: the class that these settings are of; None in tfmask's own variants, whose
        classes are known to the modules that build them.
    """

    tag: ClassVar[str] = ""
    layer: ClassVar[type | None] = None

    if TYPE_CHECKING:
        # A slot such as `config.model.backbone` takes any part, and which settings it
        # has follows from the part that a recipe starts from: no type can say so.
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    @classmethod
    def own_tag(cls) -> str:
        """The tag, unless it is inherited: a subclass of a variant is another part."""
        return vars(cls).get("tag", "")

    def arguments(self) -> dict[str, Any]:
        """The settings as keywords of the constructor of the part."""
        return {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)
            if item.metadata.get(_ARGUMENT, True)
        }
