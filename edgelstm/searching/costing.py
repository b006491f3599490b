"""What a candidate costs on a device, from its shapes alone: nothing is trained, no data needed.

The figures are those of `edgelstm profile` for a network of the same sizes, by the same functions.
A cost that is not known is None with a reason, never 0.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from edgelstm.comparison import costs
from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import Interval
from edgelstm.cost.duty import Waiting
from edgelstm.cost.energy import Energy, estimate
from edgelstm.cost.memory import Fit, fit
from edgelstm.cost.variants import middle
from edgelstm.devices.device import Device
from edgelstm.searching.conditions import Conditions
from edgelstm.searching.space import Candidate, Task
from edgelstm.text import apart


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one network costs on one device.

    Attributes:
        macs: Of a step; None where there is no such network, and then all else is.
        energy_uj: Of a step; None if not known.
        energy_period_uj: Of a step and the waiting up to the next; None without a period.
        average_mw: Over a period.
        other_average_mw: The same, had the device waited in the other of the two ways.
        latency_us: Of a step.
        battery_days: None without a battery.
        flash_bytes, ram_bytes, fits: As in `memory.Fit`.
        basis: How well time and energy are known.
        kind: One of `KINDS`; None: the point is accepted.
        reason: Why it is refused; None if it is not.
        fit: What there is of flash and RAM.
        has_period: Whether a period was given.
    """

    macs: int | None
    energy_uj: Interval | None = None
    energy_period_uj: Interval | None = None
    average_mw: Interval | None = None
    other_average_mw: Interval | None = None
    latency_us: Interval | None = None
    battery_days: Interval | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    fits: bool | None = None
    basis: str | None = None
    kind: str | None = None
    reason: str | None = None
    fit: Fit | None = None
    has_period: bool = False

    @property
    def accepted(self) -> bool:
        """Whether nothing speaks against it."""
        return self.kind is None

    @property
    def energy(self) -> Interval | None:
        """What energy means as an objective, a bound and a budget: of a period if there is one."""
        return self.energy_period_uj if self.has_period else self.energy_uj


@dataclasses.dataclass(frozen=True)
class Point:
    """A candidate on a device."""

    candidate: Candidate
    device: str
    cost: Cost

    def to_dict(self) -> dict[str, Any]:
        """An object of `points` of `search --json`."""
        keys = ("macs", "energy_uj", "energy_period_uj", "average_mw", "latency_us")
        more = ("flash_bytes", "ram_bytes", "fits", "accepted", "kind", "reason")
        return {
            **vars(self.candidate),
            "device": self.device,
            **{key: plain(getattr(self.cost, key)) for key in (*keys, *more)},
        }


def price(cost: Cost, name: str) -> float:
    """A cost by its name in `Conditions.prices`, in the middle, of a point that is accepted."""
    spans = {"energy": cost.energy, "latency": cost.latency_us}
    wholes = {"flash": cost.flash_bytes, "ram": cost.ram_bytes, "macs": cost.macs}
    span = spans.get(name)
    found = middle(span) if span else wholes.get(name)
    assert found is not None, f"{name} is not known of a point that is accepted"
    return float(found)


def plain(value: Any) -> Any:
    """An interval as a dictionary; anything else as it is."""
    return dict(vars(value)) if isinstance(value, Interval) else value


def cost_points(
    candidates: Iterable[Candidate],
    devices: Sequence[Device],
    task: Task,
    conditions: Conditions | None = None,
) -> list[Point]:
    """Every candidate on every device, the devices of one candidate after each other.

    Args:
        candidates: Of a space.
        devices: From `read_device`.
        task: What the candidates are for.
        conditions: None: the step alone, without bounds.

    >>> from edgelstm.devices.device import read_device
    >>> lstm = Candidate("lstm", 48, 1, "int8")
    >>> [point] = cost_points([lstm], [read_device("stm32u575")], Task(12, 9, 29))
    >>> point.cost.macs, point.cost.accepted
    (11952, True)
    """
    given = conditions or Conditions()
    answers: dict[Any, str | None] = {}  # `no_file` by all that it hangs on: sizes do not matter
    found = []
    for candidate in candidates:
        if reason := candidate.refusal():
            refused = Cost(None, kind="unsupported", reason=reason)
            found += [Point(candidate, device.name, refused) for device in devices]
            continue
        network = candidate.network(task)
        counts = count(network, precision=candidate.precision)
        kinds = dataclasses.replace(candidate, hidden_size=2, projection=candidate.projection and 1)
        for device in devices:
            if (kinds, device.name) not in answers:
                told = costs.no_file(network, candidate.precision, device)
                answers[kinds, device.name] = told
            cost = cost_of(counts, device, task.steps, given, answers[kinds, device.name])
            found.append(Point(candidate, device.name, cost))
    return found


def cost_of(
    counts: Counts,
    device: Device,
    steps: int,
    given: Conditions,
    no_file: str | None,
) -> Cost:
    """What counts cost on a device.

    Args:
        counts: Of a step.
        device: From `read_device`.
        steps: Of a call of the file.
        given: How it is used, and the bounds.
        no_file: Why no file of it runs on the device; None if one does.
    """
    energy = estimate(
        counts, device, given.kernels, period_ms=given.period_ms, battery=given.battery
    )
    runtime = costs.RUNTIMES[energy.kernels]
    space = costs.unless(no_file, fit(counts, device, steps=steps, runtime=runtime))
    chosen, other = _ways(energy, waits(device, given.sleep))
    mean = chosen.average_mw if chosen else None
    made = Cost(
        counts.total.macs,
        energy.energy_uj,
        _over(given.period_ms, mean),
        mean,
        other.average_mw if other else None,
        energy.latency_us,
        chosen.life_days if chosen else None,
        space.flash_bytes,
        space.ram_bytes,
        space.fits,
        energy.basis,
        fit=space,
        has_period=given.period_ms is not None,
    )
    refusals = _refusals(made, energy, chosen, given, no_file)
    kind, reason = next(refusals, (None, None))
    return dataclasses.replace(made, kind=kind, reason=reason)


def waits(device: Device, sleep: str) -> str:
    """How a device waits: a Raspberry Pi has no deep sleep to wake from, and idles."""
    no_sleep = device.kind == "sbc" and device.figure("sleep.ua") is None
    return "clocks-on" if no_sleep else sleep


def _ways(energy: Energy, sleep: str) -> tuple[Waiting | None, Waiting | None]:
    """The way of waiting that is asked for, and the other one; None without a period."""
    if energy.duty is None:
        return None, None
    ways = {way.sleep: way for way in energy.duty.waiting}
    return ways[sleep], next(way for name, way in ways.items() if name != sleep)


def _over(period_ms: float | None, mean_mw: Interval | None) -> Interval | None:
    """Microjoules of a period: milliwatts times milliseconds."""
    if period_ms is None or mean_mw is None:
        return None
    typical = mean_mw.typical
    return Interval(
        mean_mw.low * period_ms,
        None if typical is None else typical * period_ms,
        mean_mw.high * period_ms,
    )


def _refusals(
    cost: Cost, energy: Energy, way: Waiting | None, given: Conditions, no_file: str | None
) -> Iterator[tuple[str, str]]:
    """What speaks against it, in the order of `KINDS`, each with its reason.

    A bound is held by the typical figure, or by the upper end where none is known.
    """
    if no_file:
        yield "unsupported", no_file
    yield from _too_large(cost.fit)
    period, late = given.period_ms, cost.latency_us and middle(cost.latency_us) / 1000
    if period and late and late > period:
        needs, has = apart(late, period)
        yield "period", f"does not keep up ({needs} of {has} ms)"
    wanted = cost.energy
    if wanted is None and ("energy" in given.objectives or given.max_energy_uj):
        reason = energy.energy_reason or energy.latency_reason or (way.reason if way else None)
        yield "energy-unknown", f"energy not known: {reason}"
    if late is None and ("latency" in given.objectives or given.max_latency_us):
        yield "latency", f"latency not known: {energy.latency_reason}"
    for name, size in (("flash", cost.flash_bytes), ("ram", cost.ram_bytes)):
        if size is None and name in given.objectives:
            yield name, f"{name} not known, which is an objective"
    if given.max_latency_us and late and late > given.max_latency_us / 1000:
        needs, most = apart(late, given.max_latency_us / 1000)
        yield "latency", f"latency {needs} ms, at most {most}"
    if given.max_energy_uj and wanted and middle(wanted) > given.max_energy_uj:
        needs, most = apart(middle(wanted), given.max_energy_uj)
        yield "bound", f"energy {needs} uJ, at most {most}"


def _too_large(space: Fit | None) -> Iterator[tuple[str, str]]:
    """Each memory that does not hold it."""
    for kind, name in (("flash", "flash"), ("ram", "RAM")):
        need, available = (getattr(space, f"{kind}_{which}bytes") for which in ("", "available_"))
        if need is not None and available is not None and need > available:
            size, unit = (2**20, "MiB") if available >= 2**20 else (2**10, "KiB")
            needs, has = apart(need / size, available / size)
            yield kind, f"does not fit ({name} {needs} of {has} {unit})"
