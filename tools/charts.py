"""Charts as inline SVG: bars, intervals, samples, a roofline, curves; exact values are titles.

Each is 360 units wide, a label and a value above each bar, so that it reads at the width of a
phone; the page never draws it larger, so that all text has one size. Colours are the page's classes
`s0` to `s5`, never the only sign: titles and tables say more.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from edgelstm.text import number, span

WIDTH, ROW, BAR_Y, BAR_HEIGHT = 360.0, 42.0, 18.0, 14.0
N_COLOURS = 6
AXIS = 34.0  # height below the bars
VISIBLE = 2.0  # narrowest part of a bar
LINEAR = 20  # values that differ by more stand on a logarithmic scale
CHARACTER = 6.6  # width of one, on average, at the size of the labels


@dataclass(frozen=True)
class Segment:
    """A part of a bar: its name, size, the exact text of it, and which colour it has."""

    name: str
    value: float
    text: str
    colour: str


@dataclass(frozen=True)
class Bar:
    """A bar of segments; `label` and `text` stand above it."""

    label: str
    text: str
    segments: tuple[Segment, ...]


def stacked(
    title: str, bars: Sequence[Bar], full: float | None = None, *, scale_text: str = ""
) -> str:
    """Bars of segments side by side.

    Args:
        title: Of the chart.
        bars: From top to bottom. Parts add up, so the scale is linear.
        full: The value of the whole width; None: the longest bar.
        scale_text: What the width stands for, where that does not go without saying.
    """
    longest = max((sum(s.value for s in bar.segments) for bar in bars), default=0)
    scale = WIDTH / ((full or longest) or 1)
    parts = []
    for k, bar in enumerate(bars):
        parts += _heading(k, bar.label, bar.text)
        parts.append(f'<rect class="track" {_box(0, k, WIDTH)}/>')
        x = 0.0
        for segment in bar.segments:
            width = min(segment.value * scale, WIDTH - x)
            if width > 0:
                box = _box(x, k, max(width, VISIBLE))
                parts.append(
                    f'<rect class="{segment.colour}" {box}><title>{escape(segment.name)}: '
                    f"{escape(segment.text)}</title></rect>"
                )
            x += width
    height = len(bars) * ROW
    if scale_text:
        parts.append(placed(WIDTH, height + 4, scale_text, "end", "value"))
        height += BAR_HEIGHT
    return drawing(title, height, parts)


def intervals(title: str, rows: Iterable[tuple[str, float, float | None, float]], unit: str) -> str:
    """Low to high as a band, typical as a line across it.

    The scale begins at 0; where values differ by more than `LINEAR` it is logarithmic and says so.
    """
    rows = list(rows)
    values = [value for _, *ends in rows for value in ends if value is not None]
    least, most = min(values), max(values)
    decades = _decades(least, most)
    parts = []
    for k, (label, low, typical, high) in enumerate(rows):
        text = span(low, typical, high, unit)
        parts += _heading(k, label, text)
        parts.append(f'<rect class="track" {_box(0, k, WIDTH)}/>')
        left, right = (_across(value, most, decades) for value in (low, high))
        box = _box(left, k, max(right - left, 1))
        parts.append(f'<rect class="band" {box}><title>{escape(f"{label}: {text}")}</title></rect>')
        if typical is not None:
            x = min(_across(typical, most, decades), WIDTH - 1)
            y = k * ROW + BAR_Y
            parts.append(
                f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 2:.1f}" '
                f'y2="{y + BAR_HEIGHT + 2:.1f}"/>'
            )
    height = len(rows) * ROW
    if not decades:
        return drawing(title, height, parts)
    return drawing(title, height + AXIS, [*parts, *_axis(height, most, decades, unit)])


def strips(title: str, rows: Iterable[tuple[str, str, Sequence[float], float]], unit: str) -> str:
    """Every sample as a thin line, so that where many lie is dark, and the median across it.

    Args:
        title: Of the chart.
        rows: Label, text, samples and median, from top to bottom; the scale is that of `intervals`.
        unit: Of the samples.
    """
    rows = list(rows)
    values = [value for *_, samples, median in rows for value in (*samples, median)]
    decades = _decades(min(values), max(values))
    parts = []
    for k, (label, text, samples, median) in enumerate(rows):
        y = k * ROW + BAR_Y
        parts += _heading(k, label, text)
        parts.append(f'<rect class="track" {_box(0, k, WIDTH)}/>')
        places = [f"{_across(value, max(values), decades):.1f}" for value in samples]
        lines = "".join(f"M{x},{y:g}v{BAR_HEIGHT:g}" for x in places)
        told = escape(f"{label}: {text}")
        parts.append(f'<path class="sample" d="{lines}"><title>{told}</title></path>')
        x = min(_across(median, max(values), decades), WIDTH - 1)
        ends = f'y1="{y - 2:.1f}" y2="{y + BAR_HEIGHT + 2:.1f}"'
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" {ends}/>')
    height = len(rows) * ROW
    if not decades:
        return drawing(title, height, parts)
    return drawing(title, height + AXIS, [*parts, *_axis(height, max(values), decades, unit)])


@dataclass(frozen=True)
class Curve:
    """One value over time: its name, a value for each moment, and which colour it has."""

    name: str
    values: Sequence[float]
    colour: str


def over_time(
    title: str,
    seconds: Sequence[float],
    curves: Sequence[Curve],
    shaded: Sequence[tuple[float, float]],
    unit: str,
) -> str:
    """A line per curve from zero on, over stretches of time that are shaded."""
    height, left, bottom, top = 200.0, 44.0, 166.0, 12.0
    most, last = max(max(c.values) for c in curves) or 1, seconds[-1] or 1

    def place(second: float, value: float) -> tuple[float, float]:
        return left + (WIDTH - left) * second / last, bottom - (bottom - top) * value / most

    parts = []
    for begin, end in shaded:
        (x, _), (right, _) = place(begin, 0), place(end, 0)
        box = f'x="{x:.1f}" y="{top}" width="{right - x:.1f}" height="{bottom - top}"'
        parts.append(f'<rect class="shade" {box}/>')
    for curve in curves:
        points = (place(*pair) for pair in zip(seconds, curve.values, strict=True))
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        told = escape(curve.name)
        parts.append(
            f'<polyline class="{curve.colour}" points="{line}"><title>{told}</title></polyline>'
        )
    parts += [
        f'<line class="axis" x1="{left}" y1="{bottom}" x2="{WIDTH:g}" y2="{bottom}"/>',
        f'<line class="axis" x1="{left}" y1="{top}" x2="{left}" y2="{bottom}"/>',
        placed(left - 4, top + 8, number(most), "end", "value"),
        placed(left - 4, bottom, "0", "end", "value"),
        placed(WIDTH, bottom + 16, f"{number(last)} s", "end", "value"),
        placed(WIDTH, bottom + 31, f"{unit}; steps ran where it is shaded", "end", "value"),
    ]
    return drawing(title, height, parts)


def _decades(least: float, most: float) -> range:
    """Powers of ten around the values; none where a linear scale shows all."""
    if not 0 < LINEAR * least < most:
        return range(0)
    return range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)


def _across(value: float, most: float, decades: range) -> float:
    if not decades:
        return value * WIDTH / (most or 1)
    return WIDTH * (math.log10(value) - decades[0]) / (decades[-1] - decades[0])


def _axis(y: float, most: float, decades: range, unit: str) -> Iterator[str]:
    """A line below the bars, with powers of ten, as many as there is room for."""
    yield f'<line class="axis" x1="0" y1="{y:.1f}" x2="{WIDTH:g}" y2="{y:.1f}"/>'
    for power in decades[:: 1 + len(decades) // 8]:
        x = _across(10.0**power, most, decades)
        anchor = {0: "start", WIDTH: "end"}.get(x, "middle")
        yield f'<line class="axis" x1="{x:.1f}" y1="{y:.1f}" x2="{x:.1f}" y2="{y + 4:.1f}"/>'
        yield placed(x, y + 16, f"{10.0**power:,.{max(-power, 0)}f}", anchor, "value")
    yield placed(WIDTH, y + 31, f"{unit}, logarithmic scale", "end", "value")


@dataclass(frozen=True)
class Roof:
    """What `roofline` draws: a network's MACs and missed bytes, and the rates of the machine."""

    macs: int
    missed_bytes: int
    macs_per_us: float
    bytes_per_us: float


def roofline(title: str, roof: Roof) -> str:
    """MACs per us over MACs per byte of RAM, both logarithmic, with the network's place."""
    height, left, bottom = 220.0, 44.0, 186.0
    ridge = roof.macs_per_us / roof.bytes_per_us
    own = roof.macs / roof.missed_bytes if roof.missed_bytes else None
    x_low = min(ridge, own or ridge) / 10
    x_high = max(ridge, own or ridge) * 10
    y_low, y_high = x_low * roof.bytes_per_us, roof.macs_per_us * 3

    def place(x: float, y: float) -> tuple[float, float]:
        across = math.log(x / x_low) / math.log(x_high / x_low)
        up = math.log(y / y_low) / math.log(y_high / y_low)
        return left + across * (WIDTH - left - 6), bottom - up * (bottom - 12)

    points = [(x_low, y_low), (ridge, roof.macs_per_us), (x_high, roof.macs_per_us)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*p) for p in points))
    at = own or x_high / 1.6
    reached = min(roof.macs_per_us, at * roof.bytes_per_us)
    cx, cy = place(at, reached)
    what = f"{number(own)} MACs per byte of RAM" if own else "weights stay in the cache"
    ridge_x, roof_y = place(ridge, roof.macs_per_us)
    parts = [
        f'<line class="axis" x1="{left}" y1="{bottom}" x2="{WIDTH}" y2="{bottom}"/>',
        f'<line class="axis" x1="{left}" y1="8" x2="{left}" y2="{bottom}"/>',
        f'<polyline class="roof" points="{line}"/>',
        f'<circle class="s0" cx="{cx:.1f}" cy="{cy:.1f}" r="6"><title>{what}: '
        f"{number(reached)} MACs per us</title></circle>",
        placed(WIDTH, cy + 28, what, "end"),
        placed(WIDTH, roof_y - 8, f"{number(roof.macs_per_us)} MACs per us", "end"),
        placed(ridge_x, bottom + 15, number(ridge), "middle"),
        placed(WIDTH, bottom + 30, "MACs per byte read from RAM", "end"),
    ]
    return drawing(f"{title}: {what}, {number(reached)} MACs per us at most", height, parts)


def _heading(k: int, label: str, text: str) -> list[str]:
    y, room = k * ROW + 12, int(WIDTH / CHARACTER) - len(text) - 2
    shown = label if len(label) <= room else label[: max(room - 1, 1)] + "…"
    return [placed(0, y, shown, "start"), placed(WIDTH, y, text, "end", "value")]


def placed(x: float, y: float, text: str, anchor: str, name: str = "label") -> str:
    """A text at a place."""
    return (
        f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _box(x: float, k: int, width: float) -> str:
    return f'x="{x:.2f}" y="{k * ROW + BAR_Y:.1f}" width="{width:.2f}" height="{BAR_HEIGHT:g}"'


def drawing(title: str, height: float, parts: Sequence[str]) -> str:
    """The parts as one picture."""
    return (
        f'<svg class="chart" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {WIDTH:g} {height:g}">{"".join(parts)}</svg>'
    )
