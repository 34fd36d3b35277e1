"""The published tables, with the recipe of each row.

`tfmask tables` prints them, and docs/recipes.md is what it prints. The figures stand in
`configs/tables/`, one module per paper.
"""

import importlib
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from tfmask.config.recipes import recipe_names, recipe_summary
from tfmask.errors import ConfigError

OTHER = "not part of tfmask"  # stands for the recipe of another paper's method
_NOT_PRINTED = "-"
_WIDTH = 88

# Columns by the names that evaluation gives to figures, in percent.
MASK_3 = "mask/AP mask/AP50 mask/AP75"
MASK_6 = f"{MASK_3} mask/APs mask/APm mask/APl"
BOX_3 = "box/AP box/AP50 box/AP75"
BOX_6 = f"{BOX_3} box/APs box/APm box/APl"
RECALL = "mask/AR1 mask/AR10 mask/AR100 mask/ARs mask/ARm mask/ARl"

_INTRODUCTION = """\
# Recipes and the rows they stand for

The papers' tables with the figures as they print them, and the recipe of each row (AP
and AR in percent; s, m, l: small, medium and large objects; r, c, f: rare, common and
frequent classes). They are what was published, not what tfmask has measured: that is in
the README. Rows of methods that are not part of tfmask are here so that each table is
whole. This page is the output of `tfmask tables`; `tfmask tables maskplus` prints one
paper, `--json` the data.
"""


@dataclass(frozen=True)
class Row:
    """A row of a published table.

    Attributes:
      recipe: name of the recipe that trains this model; None: another paper's method.
      name: what the paper calls it.
      figures: as the paper prints them, by the names that evaluation gives, or
        `params_m` (millions), `gflops`, `ms`.
    """

    recipe: str | None
    name: str
    figures: dict[str, str]

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
      rows: in the order of the paper.
      note: what a reader of the figures must know.
    """

    name: str
    data: str
    columns: tuple[str, ...]
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
    in the order of the columns, `-` for one that is not printed. Lines `> ...` are the
    table's note.

    Raises:
      ValueError: a line without three fields, or with too few or too many figures.
    """
    return Paper(name, tuple(map(_table, text.strip().split("\n\n"))))


def _table(text: str) -> Table:
    head, *lines = text.splitlines()
    name, data, columns = _fields(head.removeprefix("=="))
    rows = []
    for line in lines:
        if line.startswith(">"):
            continue
        recipe, row, figures = _fields(line)
        printed = dict(zip(columns.split(), figures.split(), strict=True))
        kept = {k: v for k, v in printed.items() if v != _NOT_PRINTED}
        rows.append(Row(None if recipe == "-" else recipe, row, kept))
    note = " ".join(line[1:].strip() for line in lines if line.startswith(">"))
    return Table(name, data, tuple(columns.split()), tuple(rows), note)


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


def _rows(chosen: list[Paper]) -> Iterator[tuple[Paper, Table, Row]]:
    for of_paper in chosen:
        for of_table in of_paper.tables:
            for row in of_table.rows:
                yield of_paper, of_table, row


def recipes_without_rows() -> list[str]:
    """Recipes that stand in no table. Demos are of no paper and left out."""
    in_tables = {row.recipe for _, _, row in _rows(papers())}
    return [
        name
        for name in recipe_names()
        if name not in in_tables and not name.startswith("demo/")
    ]


def tables_as_data(name: str = "") -> list[dict]:
    """Every row as a dict for JSON: recipe, paper, table, row, data, metrics."""
    return [
        {
            "recipe": row.recipe,
            "paper": of_paper.name,
            "table": of_table.name,
            "row": row.name,
            "data": of_table.data,
            "metrics": row.metrics,
        }
        for of_paper, of_table, row in _rows(papers(name))
    ]


def format_tables(name: str = "") -> str:
    """The tables as Markdown whose columns are aligned. All papers: a whole page."""
    chosen = papers(name)
    parts = [] if name else [_INTRODUCTION, _counts(chosen)]
    for of_paper in chosen:
        parts.append(f"## {of_paper.name}\n")
        for one in of_paper.tables:
            parts.append(f"### {one.name}, {one.data}\n\n{_format_table(one)}\n")
            if one.note:
                parts.append(textwrap.fill(one.note, _WIDTH) + "\n")
    if not name:
        lines = [
            f"- `{name}`: {recipe_summary(name)}" for name in recipes_without_rows()
        ]
        parts.append("## In no table\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts).rstrip("\n")


def _counts(chosen: list[Paper]) -> str:
    rows = [row for _, _, row in _rows(chosen)]
    other = sum(row.recipe is None for row in rows)
    return (
        f"{len(recipe_names())} recipes. {len(rows)} rows of {len(chosen)} papers and "
        f"releases: {len(rows) - other} with a recipe, {other} of other methods.\n"
    )


def _letters(text: str) -> str:
    """`BMask R-CNN` and `bmask_rcnn` are one name."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _format_table(published: Table) -> str:
    cells = [["recipe", "row", *(name.replace("/", " ") for name in published.columns)]]
    for row in published.rows:
        figures = [row.figures.get(name, _NOT_PRINTED) for name in published.columns]
        cells.append([row.recipe or OTHER, row.name, *figures])
    widths = [max(map(len, column)) for column in zip(*cells)]
    # Words to the left, numbers to the right.
    rule = [
        "-" * (w + 2) if i < 2 else "-" * (w + 1) + ":" for i, w in enumerate(widths)
    ]
    lines = []
    for line in cells:
        padded = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths))
        ]
        lines.append(f"| {' | '.join(padded)} |")
    return "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]])
