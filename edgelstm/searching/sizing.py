"""The question before the data: how large may a network be, for a chip, a period and a battery."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edgelstm.arguments import check_whole
from edgelstm.cells import CELLS
from edgelstm.comparison import costs
from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import Interval
from edgelstm.cost.duty import life_days, read_battery, wait_mw
from edgelstm.cost.energy import estimate
from edgelstm.cost.variants import middle
from edgelstm.devices.device import Device, device_names, read_device
from edgelstm.errors import DeviceError, ModelError
from edgelstm.model.precision import PRECISIONS
from edgelstm.searching.conditions import Conditions, check_bound
from edgelstm.searching.costing import Cost, cost_of, waits
from edgelstm.searching.room import More, Room, Row
from edgelstm.searching.space import Candidate, Space, Task
from edgelstm.text import apart, counted, number

MOST_UNITS = 1024  # that are tried


@dataclasses.dataclass(frozen=True)
class _Question:
    device: Device
    task: Task
    given: Conditions
    min_days: float
    end: Callable[[Interval], float]  # of what must not be too much


def size(
    device: str | os.PathLike[str] | Device,
    *,
    input_size: int = 12,
    outputs: int = 9,
    period_ms: float = 20,
    battery: str | float | None = "cr2032",
    min_days: float = 365,
    cells: Sequence[str] | None = None,
    precisions: Sequence[str] | None = None,
    layers: Sequence[int] = (1, 2),
    sleep: str = "deep",
    typical: bool = False,
    steps: int | None = None,
    kernels: str | None = None,
) -> Room:
    """The largest network of each cell and precision that a device has room for; no data needed.

    It keeps up with the period, fits flash and RAM, and lets the battery last.

    Args:
        device: A name, a path to a `.toml`, or from `read_device`.
        input_size, outputs: Of the network: values of x per step, and of a dense head.
        period_ms: From step to step.
        battery: `cr2032`, or a charge in mAh; None, with `min_days` 0: no battery.
        min_days: That it must last; 0: it need not.
        cells: Keys of `CELLS`; None: all that the device runs.
        precisions: Keys of `PRECISIONS`; None: all that the device runs.
        layers: Numbers of recurrent layers.
        sleep: How the device waits, `deep` or `clocks-on`.
        typical: Typical time and energy hold the limits; else their upper ends do.
        steps: Of a call of the file; None: those of the file that `export` writes.
        kernels: One of `laws.KERNELS`; None: those that `profile` takes.

    Raises:
        ModelError: A size, cell or precision that is none, or a precision asked for by name that
            the device does not run.
        DeviceError: An unknown device, a period or battery that is none, or a device of which the
            time or the energy is not known.

    >>> room = size("stm32u575", cells=["lstm"], precisions=["int8"], layers=[1])
    >>> room.best.hidden_size, room.best.binds
    (2, 'battery')
    """
    space = Space(
        cell=tuple(CELLS) if cells is None else cells,
        hidden=(1,),
        layers=layers,
        precision=tuple(PRECISIONS) if precisions is None else precisions,
        input_size=input_size,
        outputs=outputs,
        steps=1 if steps is None else steps,
    )
    check_whole(max(space.layers), "layers", most=8)  # more take minutes
    wanted = ("energy", "latency") if min_days else ("latency",)
    asked = _Question(
        device if isinstance(device, Device) else read_device(device),
        dataclasses.replace(space.task(), steps=_steps(space.task(), steps)),
        Conditions(period_ms, sleep, battery, kernels, objectives=wanted),
        min_days,
        middle if typical else _high,
    )
    return _answered(_empty(asked), space, asked, named=precisions is not None)


def _answered(room: Room, space: Space, asked: _Question, *, named: bool) -> Room:
    """The answer with its rows; without any where waiting alone takes the battery."""
    waiting, least = room.waiting_days, asked.min_days
    if waiting and least and _least(waiting, asked) < least:
        return room
    rows, skipped = _rows(space, asked, named=named)
    best = rows[0] if rows[0].hidden_size else None
    more, notes = (_advice(best, asked), _notes(best, asked)) if best else ((), ())
    return dataclasses.replace(
        room, rows=tuple(rows), advice=tuple(more), skipped=tuple(skipped), notes=notes
    )


def _steps(task: Task, steps: int | None) -> int:
    network = Candidate("lstm", 1, 1, "int8").network(task)
    return costs.call_steps(network, None, steps)


def _empty(asked: _Question) -> Room:
    """The answer without rows, of a question that is one."""
    given, task = asked.given, asked.task
    if given.battery is None and asked.min_days:
        raise ModelError("min_days needs a battery: cr2032, or its charge in mAh")
    check_bound(asked.min_days or None, "min_days")
    check_bound(given.period_ms or 0, "period_ms")
    return Room(
        asked.device.name,
        task.input_size,
        task.outputs,
        given.period_ms or 0,
        given.battery,
        asked.min_days,
        waits(asked.device, given.sleep),
        "high" if asked.end is _high else "typical",
        rows=(),
        advice=(),
        waiting_days=_waiting_days(asked),
    )


def _high(value: Interval) -> float:
    return value.high


def _least(days: Interval, asked: _Question) -> float:
    """Days that are sure: the lower end, or the typical figure."""
    return days.low if asked.end is _high else middle(days)


def _waiting_days(asked: _Question) -> Interval | None:
    """Of the battery, were nothing computed."""
    if asked.given.battery is None:
        return None
    power, _, reason = wait_mw(asked.device, waits(asked.device, asked.given.sleep))
    battery = read_battery(asked.given.battery, asked.device)
    if power is None and asked.min_days:
        raise DeviceError(
            f"{reason}, so neither is how long a battery lasts: give another sleep, "
            "or min_days 0 to size by time and memory alone"
        )
    return None if power is None else life_days(battery, power)


def _rows(space: Space, asked: _Question, *, named: bool) -> tuple[list[Row], list[str]]:
    """The rows, largest first, and what cannot be sized."""
    rows: list[Row] = []
    skipped: dict[tuple[str, str], list[str]] = {}
    is_timed = False
    for candidate in space.candidates():
        network, precision = candidate.network(asked.task), candidate.precision
        cost = _cost(
            _counts(candidate, asked), asked, costs.no_file(network, precision, asked.device)
        )
        if named and cost.kind == "unsupported":
            raise ModelError(f"{candidate.cell} in {precision}: {cost.reason}")
        if cost.kind in ("unsupported", "energy-unknown", "latency"):
            skipped.setdefault((precision, str(cost.reason)), []).append(candidate.cell)
            is_timed |= cost.kind == "energy-unknown" and cost.latency_us is not None
        else:
            rows.append(_largest(candidate, asked))
    if not rows:
        reason = next(iter(skipped))[1]
        told = "; give --min-days 0 to size by time and memory alone" if is_timed else ""
        raise DeviceError(f"{asked.device.name} has no size: {reason}{told}")
    rows.sort(key=lambda row: (-(row.parameters or 0), row.layers))
    return rows, [
        f"{_listed(cells, space)} in {precision}: {reason}"
        for (precision, reason), cells in skipped.items()
    ]


def _listed(cells: Sequence[str], space: Space) -> str:
    found = tuple(dict.fromkeys(cells))
    return "each cell" if found == tuple(space.cell) else ", ".join(found)


def _counts(candidate: Candidate, asked: _Question) -> Counts:
    return count(candidate.network(asked.task), precision=candidate.precision)


def _cost(counts: Counts, asked: _Question, no_file: str | None = None) -> Cost:
    return cost_of(counts, asked.device, asked.task.steps, asked.given, no_file)


def _largest(kind: Candidate, asked: _Question) -> Row:
    """By bisection: every cost rises with the units."""

    def at(units: int) -> tuple[Counts, Cost]:
        counts = _counts(dataclasses.replace(kind, hidden_size=units), asked)
        return counts, _cost(counts, asked)

    low, high = 0, MOST_UNITS + 1  # room for `low`, none for `high`
    told = "range", f"{MOST_UNITS:,} units are the most that is tried"
    while high - low > 1:
        units = (low + high) // 2
        broken = next(_broken(at(units)[1], asked), None)
        if broken:
            high, told = units, (broken[0], f"{counted(units, 'unit')}: {broken[1]}")
        else:
            low = units
    row = Row(kind.cell, kind.precision, kind.layers, low, *told)
    if not low:
        return row
    counts, cost = at(low)
    keys = ("latency_us", "energy_uj", "average_mw", "battery_days", "flash_bytes", "ram_bytes")
    figures = {key: getattr(cost, key) for key in keys}
    return dataclasses.replace(row, macs=cost.macs, parameters=counts.parameters, **figures)


def _broken(cost: Cost, asked: _Question) -> Iterator[tuple[str, str]]:
    """Limits that a network breaks, and what it needs."""
    assert cost.latency_us is not None and cost.fit is not None
    late, period = asked.end(cost.latency_us) / 1000, asked.given.period_ms
    if late > (period or 0):
        needs, has = apart(late, period or 0)
        yield "time", f"a step takes {needs} of {has} ms"
    for name in ("flash", "ram"):
        need, has = (getattr(cost.fit, f"{name}_{which}bytes") for which in ("", "available_"))
        if need is not None and has is not None and need > has:
            yield name, f"{need:,} of {has:,} B of {'RAM' if name == 'ram' else name}"
    if asked.min_days:
        days = _least(cost.battery_days, asked) if cost.battery_days else 0.0
        if days < asked.min_days:
            lasts, needed = apart(days, asked.min_days)
            yield "battery", f"the battery lasts {lasts} of {needed} days"


def _advice(best: Row, asked: _Question) -> Iterator[More]:
    """The same kind of network with more of one limit after the other."""
    period, battery = asked.given.period_ms or 0.0, asked.given.battery
    given = dataclasses.replace(asked.given, period_ms=2 * period)
    changed: list[tuple[str, str, dict[str, Any]]] = [
        ("period", f"a step every {number(2 * period)} ms", {"given": given})
    ]
    if battery is not None and asked.min_days:
        charge = 2 * read_battery(battery, asked.device).mah
        given = dataclasses.replace(asked.given, battery=charge)
        changed.append(("battery", f"twice the charge, {number(charge)} mAh", {"given": given}))
    if beside := _neighbour(asked):
        changed.append(("device", f"{beside.name} in its place", {"device": beside}))
    for limit, change, other in changed:
        row = _largest(best.candidate, dataclasses.replace(asked, **other))
        yield More(limit, change, row.hidden_size, row.binds)


def _neighbour(asked: _Question) -> Device | None:
    """The device with the next larger memory for weights that can be sized in the same way."""
    own = asked.device
    key = "memory.dram_mib" if own.kind == "sbc" else "memory.flash_kib"
    has = own.figure(key)
    if has is None:
        return None
    others = (read_device(name) for name in device_names() if name != own.name)
    larger = [
        (figure.low, device.name, device)
        for device in others
        if device.kind == own.kind and (figure := device.figure(key)) and figure.low > has.low
    ]
    for _, _, device in sorted(larger, key=lambda one: one[:2]):
        one = Candidate("lstm", 1, 1, "int8")
        cost = _cost(_counts(one, asked), dataclasses.replace(asked, device=device))
        if cost.kind is None:
            return device
    return None


def _notes(best: Row, asked: _Question) -> tuple[str, ...]:
    """What the figures of a row rest on."""
    given = asked.given
    energy = estimate(
        _counts(best.candidate, asked),
        asked.device,
        given.kernels,
        period_ms=given.period_ms,
        sleep=waits(asked.device, given.sleep),
        battery=given.battery,
    )
    return (*energy.notes, *(energy.duty.assumed if energy.duty else ()))
