"""Line charts as SVG. Colours and type are the style sheet's, for light and dark."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfmask.report.markup import Markup, element, joined

_WIDTH, _HEIGHT = 420, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 40


class Line(NamedTuple):
    """A line of a chart."""

    name: str
    style: str  # class names of the style sheet, e.g. "c1 dashed"
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray


class Axis(NamedTuple):
    """An axis: what it shows, from where to where, and where it is labelled."""

    label: str
    low: float
    high: float
    ticks: Sequence[float]


def line_chart(
    lines: list[Line], x: Axis, y: Axis, title: str, *, dots: bool = False
) -> Markup:
    """A figure with a chart and its legend.

    Args:
      lines: drawn one over the other.
      x, y: the axes.
      title: above it.
      dots: mark each point; its numbers show under the pointer.
    """

    def place(u: float, v: float) -> tuple[float, float]:
        across = (u - x.low) / (x.high - x.low) * (_WIDTH - _LEFT - _RIGHT)
        up = (v - y.low) / (y.high - y.low) * (_HEIGHT - _TOP - _BOTTOM)
        return round(_LEFT + across, 2), round(_HEIGHT - _BOTTOM - up, 2)

    parts: list[Markup] = []
    for tick in y.ticks:
        left, height = place(x.low, tick)
        parts.append(_rule(left, height, place(x.high, tick)[0], height))
        parts.append(_text(f"{tick:g}", left - 6, height + 4, "end"))
    for tick in x.ticks:
        across, bottom = place(tick, y.low)
        parts.append(_text(f"{tick:g}", across, bottom + 16, "middle"))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(_text(x.label, middle, _HEIGHT - 6, "middle"))
    high = (_TOP + _HEIGHT - _BOTTOM) / 2
    turn = f"rotate(-90 12 {high})"
    parts.append(_text(y.label, 12, high, "middle", transform=turn))
    for line in lines:
        points = [place(u, v) for u, v in zip(line.x, line.y)]
        text = " ".join(f"{u},{v}" for u, v in points)
        parts.append(element("polyline", points=text, class_=f"line {line.style}"))
        if dots:
            for (u, v), (cx, cy) in zip(zip(line.x, line.y), points):
                said = element("title", f"{line.name}: {v:.3f} at {u:g}")
                style = f"dot {line.style}"
                parts.append(element("circle", said, cx=cx, cy=cy, r=3, class_=style))
    svg = element(
        "svg",
        *parts,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=title,
    )
    return element("figure", element("figcaption", title), svg, legend(lines))


def legend(lines: list[Line]) -> Markup | None:
    """What the lines are; nothing for a single one without a name."""
    named = [line for line in lines if line.name]
    if not named:
        return None
    items = [
        element(
            "li",
            element(
                "svg",
                element("line", x1=0, y1=6, x2=26, y2=6, class_=f"line {line.style}"),
                viewBox="0 0 26 12",
                class_="swatch",
                aria_hidden="true",
            ),
            line.name,
        )
        for line in named
    ]
    return element("ul", joined(items), class_="legend")


def _rule(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="grid")


def _text(content: str, x: float, y: float, anchor: str, **more) -> Markup:
    return element("text", content, x=x, y=y, text_anchor=anchor, **more)
