"""HTML elements from Python values: text is escaped, elements are not."""

import html


class Markup(str):
    """Text that is HTML already."""


def element(name: str, *children, **attributes) -> Markup:
    """An element as HTML.

    Args:
      name: of the element.
      children: texts, which are escaped, and elements; None is left out.
      attributes: `class_` stands for class, other `_` for `-`; None is left out.
    """
    texts = [
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    inner = "".join(map(escaped, (c for c in children if c is not None)))
    return Markup(f"<{name}{''.join(texts)}>{inner}</{name}>")


def escaped(value) -> Markup:
    """A value as HTML."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(str(value), quote=False))


def joined(parts) -> Markup:
    """Elements and texts one after another."""
    return Markup("".join(map(escaped, parts)))


def table(head: list, rows: list[list], caption: str = "", class_=None) -> Markup:
    """A table that scrolls by itself where it is too wide.

    Args:
      head: the columns' names.
      rows: cells; the first of each row names it, the others are put to the right.
      caption: above it.
      class_: of the table.
    """
    header = element("tr", *(element("th", cell, scope="col") for cell in head))
    body = [
        element(
            "tr",
            element("th", first, scope="row"),
            *(cell if is_cell(cell) else element("td", cell) for cell in rest),
        )
        for first, *rest in rows
    ]
    inside = element(
        "table",
        element("caption", caption) if caption else None,
        element("thead", header),
        element("tbody", *body),
        class_=class_,
    )
    return element("div", inside, class_="wide", tabindex="0")


def is_cell(value) -> bool:
    """Whether a value is a table cell already."""
    return isinstance(value, Markup) and value.startswith("<td")
