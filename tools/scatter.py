"""A scatter as inline SVG, beside the charts of `charts.py`: points over a cost."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from edgelstm.text import number
from edgelstm.tools.charts import WIDTH, drawing, placed

HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 260.0, 44.0, 14.0, 212.0, 8.0
MARGIN = 0.06  # of the range of both axes, around the points


@dataclass(frozen=True)
class Dot:
    """A point: its name, cost (above 0), height, and whether it is on the front, or chosen."""

    name: str
    x: float
    y: float
    on_front: bool = False
    chosen: bool = False


def scatter(title: str, dots: Sequence[Dot], across: str, up: str, *, rising: bool) -> str:
    """Every dot, and the front as steps.

    Args:
        title: Of the chart.
        dots: At least one.
        across, up: What the axes are; across is logarithmic.
        rising: Whether the larger height is the better one.
    """
    xs, ys = [math.log(dot.x) for dot in dots], [dot.y for dot in dots]
    x_low, x_span = _range(xs)
    y_low, y_span = _range(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log(x) - x_low) / x_span, (y - y_low) / y_span
        return LEFT + share[0] * (WIDTH - LEFT - RIGHT), BOTTOM - share[1] * (BOTTOM - TOP)

    front = sorted((dot for dot in dots if dot.on_front), key=lambda dot: dot.x)
    steps: list[str] = []
    for dot in front:
        x, y = place(dot.x, dot.y)
        steps += [f"{x:.1f},{steps[-1].split(',')[1] if steps else f'{y:.1f}'}", f"{x:.1f},{y:.1f}"]
    line = " ".join([*steps, f"{WIDTH - RIGHT:.1f},{steps[-1].split(',')[1]}"] if steps else [])
    best = max(ys) if rising else min(ys)
    parts = [
        *_frame(across, up),
        f'<polyline class="s0" points="{line}"/>' if line else "",
        *(_circle(dot, *place(dot.x, dot.y)) for dot in sorted(dots, key=lambda d: d.on_front)),
        *_ends(min(dot.x for dot in dots), max(dot.x for dot in dots), place, best),
        placed(LEFT - 4, place(dots[0].x, min(ys))[1] + 4, number(min(ys)), "end", "value"),
        placed(LEFT - 4, place(dots[0].x, max(ys))[1] + 4, number(max(ys)), "end", "value"),
    ]
    return drawing(title, HEIGHT, parts)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Where an axis begins, and how long it is."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return low - MARGIN * span, span * (1 + 2 * MARGIN)


def _circle(dot: Dot, x: float, y: float) -> str:
    told = f"<title>{escape(dot.name)} at {number(dot.x)}</title>"
    ring = f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="9"/>' if dot.chosen else ""
    size, colour = (5, "s0") if dot.on_front else (3.5, "s5")
    return f'{ring}<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="{size}">{told}</circle>'


def _frame(across: str, up: str) -> Iterator[str]:
    yield f'<line class="axis" x1="{LEFT}" y1="{BOTTOM}" x2="{WIDTH:g}" y2="{BOTTOM}"/>'
    yield f'<line class="axis" x1="{LEFT}" y1="{TOP}" x2="{LEFT}" y2="{BOTTOM}"/>'
    yield placed(LEFT + 4, TOP + 2, up, "start", "value")
    yield placed(WIDTH, BOTTOM + 34, f"{across}, logarithmic scale", "end", "value")


def _ends(first: float, last: float, place: object, y: float) -> Iterator[str]:
    """The smallest and the largest cost, below the axis."""
    assert callable(place)
    yield placed(place(first, y)[0], BOTTOM + 16, number(first), "start", "value")
    if last > first:
        yield placed(place(last, y)[0], BOTTOM + 16, number(last), "end", "value")
