"""Charts as inline SVG: bars of parts, intervals, a roofline; exact values stand in their titles.

Each is 360 units wide, a label and a value above each bar, so that it reads at the width of a
phone. Colours are the page's classes `s0` to `s5`, never the only sign: titles and tables say more.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from edgelstm.figures import number, span

WIDTH, ROW, BAR_Y, BAR_HEIGHT = 360.0, 42.0, 18.0, 14.0
N_COLOURS = 6
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


def stacked(title: str, bars: Sequence[Bar], full: float | None = None) -> str:
    """Bars of segments side by side; `full` is the value of the whole width, None: the longest."""
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
                box = _box(x, k, max(width, 0.75))
                parts.append(
                    f'<rect class="{segment.colour}" {box}><title>{escape(segment.name)}: '
                    f"{escape(segment.text)}</title></rect>"
                )
            x += width
    return _svg(title, len(bars) * ROW, parts)


def intervals(title: str, rows: Iterable[tuple[str, float, float | None, float]], unit: str) -> str:
    """Low to high as a band from 0 on, typical as a line across it."""
    rows = list(rows)
    scale = WIDTH / max((high for *_, high in rows), default=1)
    parts = []
    for k, (label, low, typical, high) in enumerate(rows):
        text = span(low, typical, high, unit)
        parts += _heading(k, label, text)
        parts.append(f'<rect class="track" {_box(0, k, WIDTH)}/>')
        box = _box(low * scale, k, max((high - low) * scale, 1))
        parts.append(f'<rect class="band" {box}><title>{escape(f"{label}: {text}")}</title></rect>')
        if typical is not None:
            x = min(typical * scale, WIDTH - 1)
            y = k * ROW + BAR_Y
            parts.append(
                f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 2:.1f}" '
                f'y2="{y + BAR_HEIGHT + 2:.1f}"/>'
            )
    return _svg(title, len(rows) * ROW, parts)


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
        _text(WIDTH, cy + 28, what, "end"),
        _text(WIDTH, roof_y - 8, f"{number(roof.macs_per_us)} MACs per us", "end"),
        _text(ridge_x, bottom + 15, number(ridge), "middle"),
        _text(WIDTH, bottom + 30, "MACs per byte read from RAM", "end"),
    ]
    return _svg(f"{title}: {what}, {number(reached)} MACs per us at most", height, parts)


def _heading(k: int, label: str, text: str) -> list[str]:
    y, room = k * ROW + 12, int(WIDTH / CHARACTER) - len(text) - 2
    shown = label if len(label) <= room else label[: max(room - 1, 1)] + "…"
    return [_text(0, y, shown, "start"), _text(WIDTH, y, text, "end", "value")]


def _text(x: float, y: float, text: str, anchor: str, name: str = "label") -> str:
    return (
        f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _box(x: float, k: int, width: float) -> str:
    return f'x="{x:.2f}" y="{k * ROW + BAR_Y:.1f}" width="{width:.2f}" height="{BAR_HEIGHT:g}"'


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {WIDTH:g} {height:g}">{"".join(parts)}</svg>'
    )
