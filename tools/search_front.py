"""What `search` says on the terminal when it has trained: fronts, the choice, what is refused."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from edgelstm.cost.cycles import Interval
from edgelstm.cost.variants import middle
from edgelstm.searching.picking import PRICES, FrontPoint, name_of
from edgelstm.searching.results import Found
from edgelstm.text import counted, number
from edgelstm.tools import output, search_tables
from edgelstm.tools.export_report import ExportReport
from edgelstm.training.data import CLASSES
from edgelstm.verification.results import Verified

NOT_APART = "*"  # behind a score that is not told apart from the next one's


def print_found(found: Found, exported: ExportReport | None, out: pathlib.Path) -> None:
    """The fronts, the choice, and where the files are.

    Args:
        found: From `search_for`.
        exported: What `export` says; None where nothing was exported.
        out: The folder.
    """
    name = name_of(found.data.kind)
    over = ", ".join(PRICES[price].partition(",")[0] for price in found.conditions.prices)
    output.print_heading(f"Front of {name} over {over}", summary(found))
    for device in found.devices:
        points = found.front(device)
        output.print_line(search_tables.used(found_device(device), found.conditions))
        if points:
            output.print_table("", headings(found), [row(point, found) for point in points])
        else:
            output.print_line("no candidate that it runs was trained")
        output.print_line()
    refused = search_tables.refused_rows(found.points)
    output.print_filled("Refused", ("why", ">points", "for example"), refused)
    for text in notes(found):
        output.print_line(f"note: {text}", style="dim")
    if found.chosen:
        point, device = found.chosen.point, found.chosen.device
        output.print_line(
            f"chosen for {device}: {point.candidate.key()}, {found.chosen.reason}", whole=True
        )
    if exported:
        for artifact in exported.artifacts:
            checked = _checked([v for v in exported.verified if v.artifact == artifact.path])
            output.print_line(f"file: {artifact.path} ({checked})", whole=True)
    output.print_line(f"page: {out / 'front.html'}", whole=True)


def found_device(name: str) -> Any:
    """The device of a name."""
    from edgelstm.devices.device import read_device

    return read_device(name)


def summary(found: Found) -> str:
    """What was done, in a line."""
    told = f"{counted(found.trainings, 'training')} of {counted(found.epochs, 'epoch')}"
    n = len(found.entries)
    if found.trainings < n:
        told = f"{n} trained, {found.trainings} of them now"
    if found.interrupted:
        told += ", ended before it was done"
    elif found.covers_all:
        told += ": every candidate"
    series = f"{len(found.data.train)} series, {len(found.data.valid)} held out"
    return f"{told}; {series}; digest {found.digest}"


def headings(found: Found) -> list[str]:
    """Of the table of a front; numbers stand right."""
    name, timed = name_of(found.data.kind), found.conditions.period_ms is not None
    made = ["candidate", f">{name} (95 %)", ">float", ">test"]
    made += [">energy a period, uJ" if timed else ">energy a step, uJ", ">time, us"]
    made += [">flash, B", ">RAM, B"]
    return made + ([">days"] if found.conditions.battery else [])


def row(point: FrontPoint, found: Found) -> tuple[str, ...]:
    """A row of it."""
    cost, data = point.cost, found.data
    mark = NOT_APART if point.told_apart_from_next is False else ""
    ends = f"{point.score.low:.2g}-{point.score.high:.2g}"
    figures = [f"{_score(point.score.value, data.kind)} ({ends}){mark}"]
    figures += [_score(point.float_score.value, data.kind)]
    figures += ["-" if point.test is None else _score(point.test, data.kind)]
    figures += [_span(cost.energy), _span(cost.latency_us)]
    figures += [f"{n:,}" if n is not None else "-" for n in (cost.flash_bytes, cost.ram_bytes)]
    if found.conditions.battery:
        days = cost.battery_days
        figures.append("-" if days is None else number(middle(days)))
    return (point.candidate.key(), *figures)


def notes(found: Found) -> Iterator[str]:
    """What the figures stand on."""
    if any(p.told_apart_from_next is False for d in found.devices for p in found.front(d)):
        yield (
            f"{NOT_APART} not told apart from the next: on {len(found.data.valid)} series their "
            "intervals overlap"
        )
    yield "energy and time are estimates: neighbours are ranked, not measured"
    epochs = counted(found.epochs, "epoch")
    yield f"the front is of what was trained, with this trainer and {epochs}"
    for device in found.devices:
        for point in found.front(device):
            if len(point.repeats) > 1:
                told = ", ".join(_score(value, found.data.kind) for value in point.repeats)
                yield f"{point.candidate.key()} with {len(point.repeats)} seeds: {told}"
    for candidate, entry in found.entries:
        if entry.reason:
            yield f"{candidate.key()} failed: {entry.reason}"


def _score(value: float, kind: str) -> str:
    return f"{value:.3f}" if kind == CLASSES else number(value)


def _span(value: Interval | None) -> str:
    if value is None:
        return "-"
    return f"{number(middle(value))} ({_short(value.low)}-{_short(value.high)})"


def _short(value: float) -> str:
    """Two digits: the end of an interval."""
    return number(value) if value >= 100 else f"{value:.2g}"


def _checked(rows: Sequence[Verified]) -> str:
    ran = [v for v in rows if v.status == "ok"]
    differ = sum(v.mismatches or 0 for v in ran)
    names = ", ".join(dict.fromkeys(v.runtime for v in ran))
    return f"verified in {names}: {differ} mismatches" if ran else "not verified here"
