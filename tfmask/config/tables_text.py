"""The published tables as a page, with what is counted and measured beside it."""

import textwrap

from tfmask.config.recipes import recipe_names, recipe_summary
from tfmask.config.tables import Paper, Table, all_rows, papers, recipes_without_rows

OTHER = "not part of tfmask"  # stands for the recipe of another paper's method
_NOT_THERE = "-"
_WIDTH = 88

_INTRODUCTION = """\
# Recipes and the rows they stand for

The papers' tables with the figures as they print them, and the recipe of each row (AP
and AR in percent; s, m, l: small, medium and large objects; r, c, f: rare, common and
frequent classes). They are what was published, not what tfmask has measured: that is in
the README, and `tfmask tables --measured maskplus/biased=runs/biased` prints the
figures of a run, or of a file of `tfmask evaluate --metrics`, in columns of their own.
Columns "counted" have the parameters and multiply-accumulates of the recipe's model.
Rows of methods that are not part of tfmask are here so that each table is whole. This
page is the output of `tfmask tables`; `tfmask tables maskplus` prints one paper,
`--json` the data.
"""

# Recipe -> name of a figure -> percent.
Measured = dict[str, dict[str, float]]


def format_tables(name: str = "", measured: Measured | None = None) -> str:
    """The tables as Markdown whose columns are aligned. All papers: a whole page.

    Args:
      name: only papers with this in their name; empty: all.
      measured: figures of recipes, for columns of their own in the tables that have
        rows of these recipes.

    Raises:
      ConfigError: no paper has the name in its name.
    """
    chosen = papers(name)
    parts = [] if name else [_INTRODUCTION, _counts(chosen)]
    for of_paper in chosen:
        parts.append(f"## {of_paper.name}\n")
        for one in of_paper.tables:
            table = _format_table(one, measured or {})
            parts.append(f"### {one.name}, {one.data}\n\n{table}\n")
            if one.note:
                parts.append(textwrap.fill(one.note, _WIDTH) + "\n")
    if not name:
        lines = [
            f"- `{name}`: {recipe_summary(name)}" for name in recipes_without_rows()
        ]
        parts.append("## In no table\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts).rstrip("\n")


def _counts(chosen: list[Paper]) -> str:
    rows = [row for _, _, row in all_rows(chosen)]
    other = sum(row.recipe is None for row in rows)
    return (
        f"{len(recipe_names())} recipes. {len(rows)} rows of {len(chosen)} papers and "
        f"releases: {len(rows) - other} with a recipe, {other} of other methods.\n"
    )


def _format_table(published: Table, measured: Measured) -> str:
    own = {row.recipe: measured.get(row.recipe or "", {}) for row in published.rows}
    known = [name for name in published.columns if any(name in own[key] for key in own)]
    head = [*published.columns]
    head += [f"{name} counted" for name in published.counted]
    head += [f"{name} measured" for name in known]
    cells = [["recipe", "row", *(name.replace("/", " ") for name in head)]]
    for row in published.rows:
        figures = [row.figures.get(name, _NOT_THERE) for name in published.columns]
        figures += [row.counted.get(name, _NOT_THERE) for name in published.counted]
        figures += [
            f"{own[row.recipe][name]:.2f}" if name in own[row.recipe] else _NOT_THERE
            for name in known
        ]
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
