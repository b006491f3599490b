"""The README's picture: energy of a step on seven chips, and time of a step beside other runtimes.

python -m benchmarks.picture        writes docs/first_screen.svg

The left half is estimated now, for the bundled network; the right half was measured by
`bench_kernels` and stands in `benchmarks/results/kernels_zen4.json`.
"""

import json
import math
import pathlib
from collections.abc import Iterator
from html import escape
from typing import Any

from benchmarks.report import rows
from edgelstm.bundled import demo
from edgelstm.cost.count_ops import count
from edgelstm.cost.energy import estimate
from edgelstm.devices.device import read_device
from edgelstm.text import number, span

ROOT = pathlib.Path(__file__).parent.parent
PATH = ROOT / "docs/first_screen.svg"
RESULTS = ROOT / "benchmarks/results/kernels_zen4.json"
CHIPS = ("stm32u385", "nrf54l15", "stm32u575", "nrf52840", "stm32l4r5", "rp2350", "rp2040")
SIZE = [64, 128]  # inputs, units
WIDTH, HEIGHT, TOP, ROW = 900, 330, 76, 30
LABELS, BARS = 84, 190  # where a row's bar begins, and its length
LOWEST_UJ, DECADES = 1.0, 3


def svg() -> str:
    """The picture; the same bytes as long as the figures are the same."""
    parts = [*_energies(20), *_times(470)]
    style = (
        "text{font:13px sans-serif;fill:#1f2328}.head{font-size:16px;font-weight:600}"
        ".small{font-size:12px;fill:#57606a}.ours{fill:#0969da}.other{fill:#afb8c1}"
        ".mark{stroke:#0a3069;stroke-width:2}.axis{stroke:#d0d7de}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<style>{style}</style><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _energies(left: float) -> Iterator[str]:
    """Intervals on a logarithmic scale."""
    counts = count(demo(), precision="int8")
    yield _text(left, 24, "Before flashing: energy of one step", name="head")
    yield _text(left, 44, f"bundled LSTM, int8, {counts.total.macs:,} MACs; low, typical, high;")
    yield _text(left, 60, "estimated for TensorFlow Lite Micro's reference kernels")
    bottom = TOP + ROW * len(CHIPS)
    for power in range(DECADES + 1):
        uj = LOWEST_UJ * 10**power
        x = left + LABELS + _across(uj)
        yield f'<line class="axis" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}"/>'
        yield _text(x, bottom + 16, f"{uj:,.0f}", "middle")
    yield _text(left + LABELS, bottom + 34, "microjoules, logarithmic scale")
    for k, chip in enumerate(CHIPS):
        energy = estimate(counts, read_device(chip), "tflm").energy_uj
        assert energy is not None and energy.typical is not None, chip
        x, middle, end = (
            left + LABELS + _across(uj) for uj in (energy.low, energy.typical, energy.high)
        )
        y = TOP + ROW * k
        yield _text(left, y + 18, chip, name="")
        yield f'<rect class="ours" x="{x:.1f}" y="{y + 6}" width="{end - x:.1f}" height="16"/>'
        yield _line(middle, y)
        told = span(energy.low, energy.typical, energy.high, "uJ")
        yield _text(left + LABELS + BARS + 8, y + 18, told, name="")


def _times(left: float) -> Iterator[str]:
    """Bars, the shortest first."""
    found = json.loads(RESULTS.read_text("utf-8"))
    result = next(r for r in found["results"] if r["size"] == SIZE)
    steps = sorted(_steps(result), key=lambda row: float(row["median_us"]))
    machine = found["machine"]["code_for"]
    yield _text(left, 24, "On a computer: time of one step", name="head")
    yield _text(left, 44, f"LSTM of {SIZE[0]} inputs and {SIZE[1]} units, int8 weights, batch 1,")
    yield _text(left, 60, f"one thread; measured on {found['machine']['cpu']} ({machine})")
    longest, labels = float(steps[-1]["median_us"]), 146
    for k, row in enumerate(steps):
        y, us = TOP + ROW * k, float(row["median_us"])
        kind = "ours" if row["side"] == "ours" else "other"
        width = us / longest * (BARS + 20)
        yield _text(left, y + 18, row["name"], name="")
        place = f'x="{left + labels}" y="{y + 6}"'
        yield f'<rect class="{kind}" {place} width="{width:.1f}" height="16"/>'
        yield _text(left + labels + width + 6, y + 18, f"{number(us)} us", name="")


def _steps(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Single steps with int8 weights: ours at int8, and every other runtime's."""
    return rows(result, "int8", "step", "ours") + rows(result, "int8", "step", "peer")


def _across(uj: float) -> float:
    return BARS * math.log10(uj / LOWEST_UJ) / DECADES


def _line(x: float, y: float) -> str:
    return f'<line class="mark" x1="{x:.1f}" y1="{y + 3}" x2="{x:.1f}" y2="{y + 25}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start", name: str = "small") -> str:
    kind = f' class="{name}"' if name else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


if __name__ == "__main__":
    PATH.write_text(svg(), "utf-8")
