"""What an import did, as a table."""

import re
from typing import NamedTuple

from tfmask.structures import ClassMap


class Report(NamedTuple):
    """Paths are ours, names are the file's."""

    source: str
    dialect: str
    loaded: dict[str, tuple]  # path -> shape
    reset: dict[str, tuple]  # path -> (shape in the file, shape in the model)
    missing: dict[str, tuple]  # path -> shape: in the model, not in the file
    skipped: dict[str, tuple]  # name -> shape: in the file, not in the model
    notes: list[str]
    class_map: ClassMap | None  # of the loaded class layers

    def lines(self) -> list[str]:
        """The table: counts by part, then everything that was not loaded."""
        total = len(self.loaded) + len(self.reset) + len(self.missing)
        lines = [
            f"{self.source} ({self.dialect}): {len(self.loaded)} of {total} weights "
            f"loaded, {len(self.reset)} reset, {len(self.missing)} missing; "
            f"{len(self.skipped)} arrays of the file skipped",
            f"  {'part':<14}{'loaded':>8}{'reset':>8}{'missing':>9}",
        ]
        columns = (self.loaded, self.reset, self.missing)
        parts = dict.fromkeys(p.split("/")[0] for column in columns for p in column)
        for part in parts:
            counts = [sum(p.split("/")[0] == part for p in c) for c in columns]
            lines.append("  {:<14}{:>8}{:>8}{:>9}".format(part, *counts))
        for path, (theirs, ours) in self.reset.items():
            lines.append(
                f"  reset {path}: file {list(theirs)}, model {list(ours)}; keeps its "
                "initial values"
            )
        lines += [f"  missing {line}" for line in _grouped(self.missing)]
        lines += [f"  skipped {line}" for line in _grouped(self.skipped)]
        return lines + [f"  note: {note}" for note in self.notes]

    def __str__(self):
        return "\n".join(self.lines())


def _grouped(shapes: dict[str, tuple]) -> list[str]:
    """One line for names that differ in their numbers and have the same shape."""
    groups: dict[tuple, list[str]] = {}
    for name, shape in shapes.items():
        groups.setdefault((re.sub(r"\d+", "*", name), shape), []).append(name)
    return [
        f"{names[0]} {list(shape)}"
        if len(names) == 1
        else f"{pattern} {list(shape)}, {len(names)} times"
        for (pattern, shape), names in groups.items()
    ]
