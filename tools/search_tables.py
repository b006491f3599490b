"""What `search --costs` says on the terminal, and with `--csv`."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from edgelstm.cost.cycles import Interval
from edgelstm.cost.variants import middle
from edgelstm.devices.device import Device
from edgelstm.printable import cell
from edgelstm.searching.conditions import KINDS, Conditions
from edgelstm.searching.costing import Point, waits
from edgelstm.searching.space import Space
from edgelstm.text import counted, number
from edgelstm.tools import output

SLEEPS = {"deep": "in deep sleep", "clocks-on": "with clocks on"}
MOST_ROWS = 100  # of a device, on the terminal
ENDS = ("low", "typical", "high")


def print_costs(
    points: Sequence[Point], space: Space, devices: Sequence[Device], given: Conditions
) -> None:
    """Every device's points that are left, by rising energy, and how many are refused for what."""
    left = [point for point in points if point.cost.accepted]
    output.print_heading(
        f"{counted(space.n_candidates, 'candidate')} on {counted(len(devices), 'device')}",
        f"{space.input_size} -> {space.outputs}, {counted(space.steps or 0, 'step')} a call; "
        f"{len(left):,} of {counted(len(points), 'point')} left",
    )
    for device in devices:
        output.print_line(used(device, given))
        rows = sorted(
            (point for point in left if point.device == device.name),
            key=lambda point: _order(point.cost.energy),
        )
        if rows:
            _print_rows(rows, device, given)
        output.print_line()
    output.print_filled("Refused", ("why", ">points", "for example"), refused_rows(points))
    output.print_line(
        "energy and time are estimates (typical; energy with its interval): neighbours are ranked, "
        "not told apart",
        style="dim",
    )


def used(device: Device, given: Conditions) -> str:
    """How a device is used, in a line."""
    if given.period_ms is None:
        return f"{device.name}: the step alone; with --period-ms the waiting counts too"
    sleep = waits(device, given.sleep)
    mode = f" ({device.texts['sleep.mode']})" if "sleep.mode" in device.texts else ""
    told = SLEEPS[sleep] + (mode if sleep == "deep" else "")
    only = "" if sleep == given.sleep else "; no deep sleep of it is known"
    period = number(given.period_ms)
    return f"{device.name}: a step every {period} ms, between them it waits {told}{only}"


def _order(energy: Interval | None) -> float:
    return float("inf") if energy is None else middle(energy)


def _print_rows(rows: Sequence[Point], device: Device, given: Conditions) -> None:
    headings = ["candidate", ">MACs", ">time, us"]
    if given.period_ms is None:
        headings += [">energy a step, uJ"]
    else:
        sleep = waits(device, given.sleep)
        other = next(name for name in SLEEPS if name != sleep)
        headings += [">energy a period, uJ", f">mean, mW\n{sleep}", f">\n{other}"]
        headings += [">days"] if given.battery else []
    headings += [">flash, B", ">RAM, B"]
    output.print_table("", headings, [_row(point, given) for point in rows[:MOST_ROWS]])
    if len(rows) > MOST_ROWS:
        more = len(rows) - MOST_ROWS
        output.print_line(f"and {more:,} more, which cost more: --csv, --json", style="dim")


def _row(point: Point, given: Conditions) -> tuple[str, ...]:
    cost = point.cost
    row = [point.candidate.key(), _whole(cost.macs), _typical(cost.latency_us), _span(cost.energy)]
    if given.period_ms is not None:
        row += [_typical(cost.average_mw), _typical(cost.other_average_mw)]
        row += [_typical(cost.battery_days)] if given.battery else []
    return (*row, _whole(cost.flash_bytes), _whole(cost.ram_bytes))


def _whole(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _typical(value: Interval | None) -> str:
    return "-" if value is None else number(middle(value))


def _span(value: Interval | None) -> str:
    if value is None:
        return "-"
    typical = "" if value.typical is None else f"{number(value.typical)} "
    return f"{typical}({number(value.low)} to {number(value.high)})"


def refused_rows(points: Sequence[Point]) -> Iterator[tuple[str, str, str]]:
    """A row per kind of reason, with its first point."""
    for kind in KINDS:
        found = [point for point in points if point.cost.kind == kind]
        if found:
            first = found[0]
            name = f"{first.candidate.key()} on {first.device}"
            yield kind, f"{len(found):,}", f"{name}: {first.cost.reason}"


def render_csv(points: Sequence[Point]) -> str:
    """One table, a row per point; an interval is three columns."""
    text = io.StringIO()
    rows = [_csv_row(point) for point in points]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _csv_row(point: Point) -> Mapping[str, str | float | None]:
    """The columns are there whether their figures are known or not."""
    cost, row = point.cost, {**vars(point.candidate), "device": cell(point.device)}
    row["macs"] = cost.macs
    for name in ("energy_uj", "energy_period_uj", "average_mw", "latency_us"):
        interval = getattr(cost, name)
        row |= {f"{name}_{end}": interval and getattr(interval, end) for end in ENDS}
    for name in ("flash_bytes", "ram_bytes", "fits", "accepted", "kind"):
        row[name] = getattr(cost, name)
    return row | {"reason": cell(cost.reason)}
