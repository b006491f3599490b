"""`profile --html`: one page that works offline, from the same report as `--json`."""

import dataclasses
from collections.abc import Iterator, Sequence

from edgelstm.cost.counts import COLUMNS, LayerCounts
from edgelstm.cost.cycles import Interval
from edgelstm.cost.duty import Duty
from edgelstm.text import number, percent
from edgelstm.tools import (
    count_tables,
    page_charts,
    profile_tables,
    side_by_side,
    templates,
    verdict,
)
from edgelstm.tools.answer import Answer
from edgelstm.tools.profile_report import ProfileReport, Share

HEADINGS = {
    "macs": "MACs",
    "adds": "adds",
    "muls": "muls",
    "sigmoids": "sigmoids",
    "tanhs": "tanhs",
    "requantizations": "rescaled",
    "weight_bytes": "weights, B",
    "bias_bytes": "biases, B",
    "input_read_bytes": "x read, B",
    "state_read_bytes": "state read, B",
    "state_write_bytes": "state written, B",
}
assert tuple(HEADINGS) == COLUMNS


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer's table: per row its equations, its columns, and its shares of time and energy."""

    name: str
    title: str
    rows: list[tuple[list[str], list[str], list[str]]]


@dataclasses.dataclass(frozen=True)
class View:
    """A report beside the texts and charts that the template places."""

    report: ProfileReport
    title: str
    cards: list[tuple[str, str, str]]
    legend: list[tuple[str, str]]
    charts: list[tuple[str, str]]
    layers: list[Layer]
    memory: str
    memory_rows: list[tuple[str, ...]]
    runtimes: list[tuple[str, ...]]
    time: str
    energy_rows: list[tuple[str, str]]
    kernels: list[tuple[str, ...]]
    duty: str
    duty_rows: list[tuple[str, str]]
    counters: list[tuple[str, ...]]
    notes: list[str]


def render(reports: Sequence[ProfileReport]) -> str:
    """The text of the page."""
    answers = [report.answer for report in reports]
    return templates.render(
        "page.html",
        views=[_view(report) for report in reports],
        first=reports[0],
        headings=HEADINGS,
        about=" and ".join(dict.fromkeys(answer.model for answer in answers)),
        compared=_compared(answers),
        comparison=list(page_charts.comparison(answers)) if len(reports) > 1 else [],
    )


def _view(report: ProfileReport) -> View:
    answer, duty = report.answer, report.answer.energy.duty
    return View(
        report,
        title=f"{answer.model} on {answer.device}",
        cards=list(_cards(report)),
        legend=list(page_charts.legend(report)),
        charts=list(page_charts.gate_charts(report)),
        layers=[_layer(report, layer) for layer in report.counts.layers],
        memory=page_charts.memory_chart(report),
        memory_rows=[row[:3] for row in profile_tables.memory_rows(report)],
        runtimes=list(profile_tables.runtime_rows(report.runtimes)),
        time=page_charts.time_charts(report),
        energy_rows=list(profile_tables.energy_rows(report)),
        kernels=list(profile_tables.kernel_rows(report.by_kernels)),
        duty=page_charts.duty_chart(duty) if duty else "",
        duty_rows=list(profile_tables.duty_rows(duty)) if duty else [],
        counters=list(profile_tables.counter_rows(report.counters or ())),
        notes=[*(f"assumed: {text}" for text in report.assumed), *profile_tables.notes(report)],
    )


def _compared(answers: Sequence[Answer]) -> tuple[list[str], list[tuple[str, ...]]] | None:
    """Headings without the sign of alignment, and rows; None for a single profile."""
    if len(answers) == 1:
        return None
    headings, rows = side_by_side.compared(answers)
    return [name.lstrip(">") or "profile" for name in headings], rows


def _cards(report: ProfileReport) -> Iterator[tuple[str, str, str]]:
    """Name, figure, and what else to know of it."""
    answer, counts, energy = report.answer, report.counts, report.answer.energy
    yield "MACs per step", f"{counts.total.macs:,}", f"{counts.parameters:,} stored parameters"
    yield "Weights", f"{counts.total.weight_bytes:,} B", answer.precision
    needs = [
        f"{name} {percent(need / available)}"
        for name, need, available in verdict.fit_by_memory(answer.fit)
        if need is not None and available
    ]
    fits = {True: "yes", False: "no", None: "not known"}[answer.fit.fits]
    yield "Fits", fits, ", ".join(needs) or "memory not known"
    yield _card("Time", energy.latency_us, "us", energy.basis, energy.latency_reason)
    name = side_by_side.energy_name(answer).capitalize()
    yield _card(name, energy.energy_uj, "uJ", energy.basis, energy.energy_reason)
    if energy.duty:
        yield from _waiting_cards(energy.duty)


def _card(name: str, value: Interval | None, unit: str, *known: str | None) -> tuple[str, str, str]:
    """An interval; `known`: its basis, and the reason where it is not known."""
    basis, reason = known
    if value is None:
        return f"{name} per step", "not known", reason or ""
    ends = f"{number(value.low)} to {number(value.high)} {unit}"
    if value.typical is None:
        return f"{name} per step", ends, f"range only, {basis}"
    return f"{name} per step", f"{number(value.typical)} {unit}", f"{ends}, {basis}"


def _waiting_cards(duty: Duty) -> Iterator[tuple[str, str, str]]:
    for way in duty.waiting:
        mean, life = way.average_mw, way.life_days
        if mean is None:
            continue
        more = way.basis or ""
        if life and duty.battery:
            more = f"{number(life.typical or life.low)} days of {duty.battery.name}"
        figure = f"{number(mean.typical or mean.high)} mW"
        yield f"Average, waiting {way.sleep}", figure, more


def _layer(report: ProfileReport, layer: LayerCounts) -> Layer:
    shares = [share for share in report.shares or () if share.layer == layer.name]
    rows = [
        (
            label.split("\n"),
            [f"{getattr(row, column):,}" for column in COLUMNS],
            _share([s for s in shares if row.name in (s.row, "total")]),
        )
        for row, label in count_tables.labelled(layer)
    ]
    return Layer(layer.name, count_tables.described(layer), rows)


def _share(of: Sequence[Share]) -> list[str]:
    """Share, time and energy of rows together."""
    if not of:
        return ["-", "-", "-"]
    times = [s.latency_us for s in of if s.latency_us is not None]
    energies = [s.energy_uj for s in of if s.energy_uj is not None]
    parts = [number(sum(found)) if found else "-" for found in (times, energies)]
    return [percent(sum(s.share for s in of)), *parts]
