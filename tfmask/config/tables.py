"""The published tables, with the recipe of each row.

`tfmask tables` prints them (config/tables_text.py). The figures stand in
`configs/tables/`, one module per paper.
"""

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tfmask.config.recipes import recipe_names
from tfmask.errors import ConfigError

_NOT_PRINTED = "-"

# Columns by the names that evaluation gives to figures, in percent.
MASK_3 = "mask/AP mask/AP50 mask/AP75"
MASK_6 = f"{MASK_3} mask/APs mask/APm mask/APl"
BOX_3 = "box/AP box/AP50 box/AP75"
BOX_6 = f"{BOX_3} box/APs box/APm box/APl"
RECALL = "mask/AR1 mask/AR10 mask/AR100 mask/ARs mask/ARm mask/ARl"


@dataclass(frozen=True)
class Row:
    """A row of a published table.

    Attributes:
      recipe: name of the recipe that trains this model; None: another paper's method.
      name: what the paper calls it.
      figures: as the paper prints them, by the names that evaluation gives, or
        `params_m` (millions), `gflops`, `ms`.
      counted: what the recipe's model has here of `params_m` and `gflops`.
    """

    recipe: str | None
    name: str
    figures: dict[str, str]
    counted: dict[str, str] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """The figures as numbers."""
        return {name: float(text) for name, text in self.figures.items()}


@dataclass(frozen=True)
class Table:
    """A published table, or what a table has of one data set.

    Attributes:
      name: `Table 1`.
      data: data set that its figures are of.
      columns: names of the figures.
      counted: names of the figures that are counted here too.
      rows: in the order of the paper.
      note: what a reader of the figures must know.
    """

    name: str
    data: str
    columns: tuple[str, ...]
    counted: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""


@dataclass(frozen=True)
class Paper:
    """A paper, or the release of a code base, with its tables."""

    name: str
    tables: tuple[Table, ...]


def paper(name: str, text: str) -> Paper:
    """A paper's tables from text.

    A table starts with a line `== NAME | DATA | COLUMNS`. A line `RECIPE | NAME |
    FIGURES` is a row: its recipe is `-` for another paper's method, its figures stand
    in the order of the columns, `-` for one that is not printed. A fourth field of
    both lines has what is counted here. Lines `> ...` are the table's note.

    Raises:
      ValueError: a line without these fields, or with too few or too many figures.
    """
    return Paper(name, tuple(map(_table, text.strip().split("\n\n"))))


def _table(text: str) -> Table:
    head, *lines = text.splitlines()
    name, data, *names = _fields(head.removeprefix("=="))
    columns = [text.split() for text in names]
    rows = []
    for line in lines:
        if line.startswith(">"):
            continue
        recipe, row, *fields = _fields(line)
        if len(fields) != len(columns):
            raise ValueError(f"{line}: expected {len(columns) + 2} fields")
        figures = [_figures(of, text) for of, text in zip(columns, fields)]
        rows.append(Row(None if recipe == "-" else recipe, row, *figures))
    note = " ".join(line[1:].strip() for line in lines if line.startswith(">"))
    counted = tuple(columns[1]) if len(columns) > 1 else ()
    return Table(name, data, tuple(columns[0]), counted, tuple(rows), note)


def _figures(columns: list[str], text: str) -> dict[str, str]:
    printed = zip(columns, text.split(), strict=True)
    return {name: value for name, value in printed if value != _NOT_PRINTED}


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.split("|")]


def papers(name: str = "") -> list[Paper]:
    """The papers with their tables.

    Args:
      name: only papers with this in their name, in any case; empty: all.

    Raises:
      ConfigError: no paper has it in its name.
    """
    known = importlib.import_module("tfmask.configs.tables").PAPERS
    chosen = [one for one in known if _letters(name) in _letters(one.name)]
    if not chosen:
        names = ", ".join(one.name for one in known)
        raise ConfigError(f"{name}: no such paper; known: {names}")
    return chosen


def all_rows(chosen: list[Paper]) -> Iterator[tuple[Paper, Table, Row]]:
    for of_paper in chosen:
        for of_table in of_paper.tables:
            for row in of_table.rows:
                yield of_paper, of_table, row


def recipes_without_rows() -> list[str]:
    """Recipes that stand in no table. Demos are of no paper and left out."""
    in_tables = {row.recipe for _, _, row in all_rows(papers())}
    return [
        name
        for name in recipe_names()
        if name not in in_tables and not name.startswith("demo/")
    ]


def tables_as_data(name: str = "") -> list[dict]:
    """Every row as a dict for JSON: what `Row` has, and its paper, table and data."""
    return [
        {
            "recipe": row.recipe,
            "paper": of_paper.name,
            "table": of_table.name,
            "row": row.name,
            "data": of_table.data,
            "metrics": row.metrics,
            "counted": {name: float(text) for name, text in row.counted.items()},
        }
        for of_paper, of_table, row in all_rows(papers(name))
    ]


def _letters(text: str) -> str:
    """`BMask R-CNN` and `bmask_rcnn` are one name."""
    return re.sub(r"[^a-z0-9]", "", text.lower())
