"""The published tables, with the recipe of each row.

`tfmask tables` prints them, and docs/recipes.md is what it prints.
"""

import itertools
import re
from typing import NamedTuple

from tfmask.config.recipes import load_config, recipe_names
from tfmask.config.schema import PublishedRow
from tfmask.errors import ConfigError

_INTRODUCTION = """\
# Recipes and the rows they stand for

One recipe for each row of the papers' tables, with the figures as the papers print them
(AP in percent; APs, APm, APl: small, medium and large objects). They are what was
published, not what tfmask has measured: that is in the README. A recipe that waits for
something is listed and loads, but cannot be trained yet. This page is the output of
`tfmask tables`; `tfmask tables maskplus` prints one paper, `--json` the data.
"""
_KINDS = ("box", "mask")


class TableRow(NamedTuple):
    """A published row and what trains it."""

    recipe: str
    published: PublishedRow
    waits_for: str


def table_rows(paper: str = "") -> list[TableRow]:
    """Published rows of the shipped recipes: by paper, table, and place in the table.

    Args:
      paper: only papers with this in their name, in any case; empty: all.

    Raises:
      ConfigError: no paper has it in its name.
    """
    rows = []
    for name in recipe_names():
        config = load_config(name)
        rows += [TableRow(name, row, config.waits_for) for row in config.published]
    papers = sorted({row.published.paper for row in rows})
    wanted = {p for p in papers if _letters(paper) in _letters(p)}
    if not wanted:
        raise ConfigError(f"{paper}: no such paper; known: {', '.join(papers)}")
    return sorted((r for r in rows if r.published.paper in wanted), key=_place)


def recipes_without_rows() -> list[str]:
    """Recipes of papers that stand in no table. Demos are none of any paper."""
    names = [name for name in recipe_names() if not name.startswith("demo/")]
    return [name for name in names if not load_config(name).published]


def format_tables(paper: str = "") -> str:
    """The tables as Markdown whose columns are aligned. All papers: a whole page."""
    parts = [] if paper else [_INTRODUCTION]
    rows = table_rows(paper)
    for name, of_paper in itertools.groupby(rows, lambda r: r.published.paper):
        parts.append(f"## {name}\n")
        for table, of_table in itertools.groupby(of_paper, lambda r: r.published.table):
            parts.append(f"### {table}\n\n{_format_table(list(of_table))}\n")
    if not paper:
        names = "\n".join(f"- `{name}`" for name in recipes_without_rows())
        parts.append(f"## In no table\n\n{names}\n")
    return "\n".join(parts).rstrip("\n")


def _letters(text: str) -> str:
    """`BMask R-CNN` and `bmask_rcnn` are one name."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _place(row: TableRow):
    """Sorts by paper, numbered tables before others, then as the table has its rows."""
    published = row.published
    number = re.fullmatch(r"Table (\d+)", published.table)
    return (
        published.paper,
        (0, int(number[1]), "") if number else (1, 0, published.table),
        published.line,
        published.data,
    )


def _format_table(rows: list[TableRow]) -> str:
    found = {name for row in rows for name in row.published.metrics}
    metrics = sorted(found, key=_metric_place)
    # As many decimals as the paper prints in this table.
    figures = [v for row in rows for v in row.published.metrics.values()]
    digits = 1 if all(v == round(v, 1) for v in figures) else 2
    waits = any(row.waits_for for row in rows)
    header = ["recipe", "row", "data", *(m.replace("/", " ") for m in metrics)]
    cells = [header + ["waits for"] * waits]
    for row in rows:
        values = row.published.metrics
        line = [row.recipe, row.published.row, row.published.data]
        line += [f"{values[m]:.{digits}f}" if m in values else "-" for m in metrics]
        cells.append(line + [row.waits_for or "-"] * waits)
    widths = [max(map(len, column)) for column in zip(*cells)]
    # Words to the left, numbers to the right.
    right = [3 <= i < 3 + len(metrics) for i in range(len(widths))]
    rule = ["-" * (w + 1) + ":" if r else "-" * (w + 2) for w, r in zip(widths, right)]
    lines = []
    for line in cells:
        padded = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right)
        ]
        lines.append(f"| {' | '.join(padded)} |")
    return "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]])


def _metric_place(name: str):
    """Masks before boxes; AP, AP50, AP75, sizes, frequencies, then recall."""
    kind, figure = name.split("/")
    order = "AP AP50 AP75 APs APm APl APr APc APf AR1 AR10 AR100 ARs ARm ARl".split()
    return (-_KINDS.index(kind), order.index(figure))
