"""`edgelstm size`: the largest network that a period, a battery and a chip leave room for."""

import shlex
import sys
from collections.abc import Iterator

import edgelstm
from edgelstm.cost.cycles import Interval
from edgelstm.cost.variants import middle
from edgelstm.searching.room import Room, Row
from edgelstm.text import counted, number
from edgelstm.tools import output

BINDS = {
    "time": "the period binds",
    "flash": "flash binds",
    "ram": "RAM binds",
    "battery": "the battery binds",
    "range": "nothing binds",
}
NOT_CLAIMED = "this is what there is room for, not what suffices"


def main(room: Room, *, as_json: bool, quiet: bool, explain: bool) -> int:
    """Prints the answer; returns the exit code of the command: 1 if there is room for nothing."""
    if as_json:
        about = {"command": shlex.join(["edgelstm", *sys.argv[1:]])}
        output.print_json(about | {"version": edgelstm.__version__} | room.to_dict())
    elif not quiet:
        _print(room, explain=explain)
    return output.exit_code([] if room.best else [_nothing(room)])


def _print(room: Room, *, explain: bool) -> None:
    if room.best:
        output.print_line(f"take {_take(room.best)} on {room.device}")
    elif room.rows:
        output.print_line(f"{_nothing(room)}: {room.rows[0].reason}")
    else:
        output.print_line(_nothing(room))
        return
    battery = f", {_days(room)}" if room.min_days else ""
    if room.min_days and room.waiting_days:
        battery += f" (waiting alone: {_at(room.waiting_days, _least(room))})"
    sleep = f"waiting {'in deep sleep' if room.sleep == 'deep' else 'with clocks on'}"
    output.print_line(
        f"{room.input_size} -> {room.outputs}, a step every {number(room.period_ms)} ms, "
        f"{sleep}{battery}; the {room.end} end of time and energy holds the limits"
    )
    output.print_line()
    headings = ("network", ">parameters", ">time, us", ">mean, mW", ">days", ">flash, B", ">RAM, B")
    shown = [row for row in room.rows if explain or row.hidden_size or room.best is None]
    output.print_table("", (*headings, "binds"), [_row(row, room.end) for row in shown])
    if hidden := len(room.rows) - len(shown):
        output.print_line(f"no unit of {counted(hidden, 'other')}: --explain lists them")
    output.print_line()
    output.print_filled("More of", ("", "", ">units", "then binds"), _more_rows(room))
    for text in (*(f"left out: {text}" for text in room.skipped), NOT_CLAIMED):
        output.print_line(f"note: {text}", style="dim")
    for text in room.notes if explain else ():
        output.print_line(f"note: {text}", style="dim")


def _take(row: Row) -> str:
    layers = f"{counted(row.layers, f'{row.cell} layer')} of {counted(row.hidden_size, 'unit')}"
    told = row.reason if row.binds == "range" else f"{BINDS[row.binds]}: {row.reason}"
    return f"{layers} in {row.precision}, {row.parameters:,} parameters ({told})"


def _days(room: Room) -> str:
    name = room.battery if isinstance(room.battery, str) else f"{room.battery:g}"
    is_charge = name.replace(".", "", 1).isdigit()
    named = f"battery of {name} mAh" if is_charge else name.upper()
    return f"a {named} for {number(room.min_days)} days"


def _nothing(room: Room) -> str:
    """Why there is room for no network."""
    if room.rows:
        return f"{room.device} has room for no network of one unit"
    assert room.waiting_days is not None
    days = _at(room.waiting_days, _least(room))
    return (
        f"{room.device}: waiting alone empties the battery in {days} days, and "
        f"{number(room.min_days)} are asked: before any network, wait deeper, take a larger "
        "battery or another device"
    )


def _least(room: Room) -> str:
    """The end of days that is held against those that are asked."""
    return "low" if room.end == "high" else room.end


def _row(row: Row, end: str) -> tuple[str, ...]:
    if not row.hidden_size:
        return (f"no {row.candidate.key()}", *["-"] * 6, row.binds)
    figures = [_at(row.latency_us, end), _at(row.average_mw, end)]
    figures.append(_at(row.battery_days, "low" if end == "high" else end))
    sizes = ["-" if n is None else f"{n:,}" for n in (row.flash_bytes, row.ram_bytes)]
    return (row.candidate.key(), f"{row.parameters:,}", *figures, *sizes, row.binds)


def _at(value: Interval | None, end: str) -> str:
    if value is None:
        return "-"
    return number(middle(value) if end == "typical" else getattr(value, end))


def _more_rows(room: Room) -> Iterator[tuple[str, str, str, str]]:
    for more in room.advice:
        units = f"{more.hidden_size:,}" if more.hidden_size else "none"
        yield more.limit, more.change, units, more.binds
