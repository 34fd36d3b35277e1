"""What loading weights did, as a table."""

import re
from typing import NamedTuple

from tfmask.structures import ClassMap
from tfmask.weights.parts import is_below, part_of

OWN_LAYOUT = "tfmask"


class Report(NamedTuple):
    """What `load_weights` or an importer did.

    Paths are the model's, as in `layers.naming.named_weights`; names are the file's,
    which are paths too in the files of tfmask.
    """

    source: str  # the file
    layout: str  # OWN_LAYOUT, Keras, or the names of another project
    loaded: dict[str, tuple]  # path -> shape
    reset: dict[str, tuple]  # path -> (shape in the file, shape in the model)
    missing: dict[str, tuple]  # path -> shape: in the model, not in the file
    skipped: dict[str, tuple]  # name -> shape: in the file, not in the model
    notes: tuple[str, ...] = ()
    class_map: ClassMap | None = None  # of the loaded class layers
    # Missing parts that start as copies of others, see parts.start_copies.
    started: dict[str, str] = {}
    training_only: tuple[str, ...] = ()  # parts that inference does without

    def lines(self) -> list[str]:
        """The table: counts by part, then everything that was not loaded."""
        total = len(self.loaded) + len(self.reset) + len(self.missing)
        lines = [
            f"{self.source} ({self.layout}): {len(self.loaded)} of {total} weights "
            f"loaded, {len(self.reset)} reset, {len(self.missing)} missing; "
            f"{len(self.skipped)} arrays of the file skipped",
            *self._counts(),
        ]
        for path, (file_shape, model_shape) in self.reset.items():
            lines.append(
                f"  reset {path}: file {list(file_shape)}, model {list(model_shape)}; "
                "keeps its initial values"
            )
        absent = {
            path: shape
            for path, shape in self.missing.items()
            if not is_below(path, self.started)
        }
        lines += [f"  missing {line}" for line in _grouped(absent)]
        lines += [f"  skipped {line}" for line in _grouped(self.skipped)]
        lines += [f"  {line}" for line in self.differences()]
        if self.started:
            lines.append(f"  {describe_copies(self.started)}")
        return lines + [f"  note: {note}" for note in self.notes]

    def __str__(self):
        return "\n".join(self.lines())

    def differences(self) -> list[str]:
        """A sentence for each part that only the file or only the model has weights of.

        They are no errors, but may surprise.
        """
        known = {part_of(path) for path in self.loaded} | set(self.started)
        # Names of another project are not those of our parts.
        unplaced = self.skipped if self.layout == OWN_LAYOUT else {}
        sentences = []
        for paths, text in (
            (self.missing, "the file has no weights of it, it keeps its initial ones"),
            (unplaced, "the file has weights of it, the model has no such part"),
        ):
            for part in dict.fromkeys(map(part_of, paths)):
                if part not in known:
                    idle = part in self.training_only
                    end = "; inference does without it" if idle else ""
                    sentences.append(f"{part}: {text}{end}")
        return sentences

    def _counts(self) -> list[str]:
        columns = (self.loaded, self.reset, self.missing)
        parts = dict.fromkeys(part_of(path) for column in columns for path in column)
        lines = [f"  {'part':<24}{'loaded':>8}{'reset':>8}{'missing':>9}"]
        for part in parts:
            counts = [sum(part_of(path) == part for path in c) for c in columns]
            lines.append("  {:<24}{:>8}{:>8}{:>9}".format(part, *counts))
        return lines


def describe_copies(started: dict[str, str]) -> str:
    """The sentence about what parts.start_copies has done."""
    copies = ", ".join(f"{part} of {base}" for part, base in started.items())
    return f"copies at the start: {copies}"


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
