"""Devices for a network, by the energy that it needs there."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from edgelstm.arguments import check_type
from edgelstm.comparison import costs
from edgelstm.cost.count_ops import count
from edgelstm.cost.cycles import Interval
from edgelstm.cost.variants import middle
from edgelstm.devices.device import Device, device_names, read_device
from edgelstm.devices.keys import BASES
from edgelstm.errors import ModelError
from edgelstm.formats import AnyNetwork
from edgelstm.model.precision import find_precision
from edgelstm.searching.conditions import Conditions, check_bound
from edgelstm.searching.costing import Cost, cost_of, plain
from edgelstm.text import apart


@dataclasses.dataclass(frozen=True)
class Ranked:
    """A network on one device.

    Attributes:
        rank: From 1, by rising energy; None where the network does not run, or its energy is not
            known.
        device: Its name.
        precision: That the network would have there.
        energy_uj, energy_period_uj, average_mw, latency_us, battery_days, fits, basis: As in
            `costing.Cost`.
        meets: Whether it runs there within all that was asked.
        told_apart_from_next: Whether its energy's interval and that of the next rank do not
            overlap; None of the last rank, and without one.
        reason: Why it does not meet what was asked; None if it does.
    """

    rank: int | None
    device: str
    precision: str
    energy_uj: Interval | None
    energy_period_uj: Interval | None
    average_mw: Interval | None
    latency_us: Interval | None
    battery_days: Interval | None
    fits: bool | None
    meets: bool
    told_apart_from_next: bool | None
    basis: str | None
    reason: str | None

    @property
    def energy(self) -> Interval | None:
        """What ranks it: of a period if there is one, else of a step."""
        return self.energy_period_uj or self.energy_uj


@dataclasses.dataclass(frozen=True)
class Ranking:
    """All devices for a network.

    Attributes:
        precision: That was asked for, or the network's own; None: by device.
        period_ms, sleep, budget_uj, budget_ms, battery, min_days: As they were asked.
        ranking: Those that meet what was asked, by rising energy, those that need more, then
            those of which it is not known or on which it does not run.
    """

    precision: str | None
    period_ms: float | None
    sleep: str
    budget_uj: float | None
    budget_ms: float | None
    battery: str | float | None
    min_days: float | None
    ranking: tuple[Ranked, ...]

    def to_dict(self) -> dict[str, Any]:
        """The object of `devices --for --json`, without command, version and model."""
        rows = [{key: plain(value) for key, value in vars(row).items()} for row in self.ranking]
        return vars(self) | {"ranking": rows}


def rank_devices(
    network: AnyNetwork,
    precision: str | None = None,
    *,
    period_ms: float | None = None,
    budget_uj: float | None = None,
    budget_ms: float | None = None,
    battery: str | float | None = None,
    min_days: float | None = None,
    sleep: str = "deep",
    devices: Sequence[str] | None = None,
    kernels: str | None = None,
    steps: int | None = None,
) -> Ranking:
    """Every device in the order of the energy that a network needs there.

    Args:
        network: Float or quantized; of `read`, or of `sizes.shapes`.
        precision: Key of `PRECISIONS`; None: the network's own, else what runs well on each device.
        period_ms: From step to step; with it energy is that of a period, step and waiting.
        budget_uj: Energy of a period where there is one, else of a step.
        budget_ms: Time of a step.
        battery: `cr2032`, or a charge in mAh.
        min_days: That the battery must last.
        sleep: How the devices wait, `deep` or `clocks-on`.
        devices: Names or paths; None: all that come with the package.
        kernels: One of `laws.KERNELS`; None: those that `profile` takes.
        steps: Of a call of the file; None: those of the file that `export` writes.

    Raises:
        ModelError: No network, an unknown precision, a budget that is none.
        DeviceError: A device, period, sleep, battery or kernels that is none.

    >>> from edgelstm.model.sizes import shapes
    >>> ranked = rank_devices(shapes("lstm", 12, 48, outputs=9), period_ms=20, sleep="clocks-on")
    >>> [row.device for row in ranked.ranking][:2]
    ['stm32u385', 'stm32u575']
    """
    check_type(network, AnyNetwork, "network", "a Network or a QuantizedNetwork is needed")
    if precision is not None:
        find_precision(precision)
    if min_days is not None and battery is None:
        raise ModelError("min_days needs a battery")
    bounds = {"budget_uj": budget_uj, "budget_ms": budget_ms, "min_days": min_days}
    for name, value in bounds.items():
        check_bound(value, name)
    given = Conditions(period_ms, sleep, battery, kernels)
    steps = costs.call_steps(network, None, steps)
    known: list[Ranked] = []
    unknown: list[Ranked] = []
    for device in [read_device(name) for name in devices or device_names()]:
        there = precision or costs.default_precision(network, device)
        cost = _cost(network, there, device, steps, given)
        row = _row(device, there, cost, "; ".join(_beyond(cost, bounds)))
        (known if cost.accepted else unknown).append(row)
    own = None if network.precision == "float32" else network.precision
    asked = (precision or own, period_ms, sleep, budget_uj, budget_ms, battery, min_days)
    return Ranking(*asked, (*_ranked(known), *unknown))


def _cost(
    network: AnyNetwork, precision: str, device: Device, steps: int, given: Conditions
) -> Cost:
    counts, no_file = count(network, None, precision), costs.no_file(network, precision, device)
    return cost_of(counts, device, steps, given, no_file)


def _beyond(cost: Cost, bounds: dict[str, float | None]) -> Iterator[str]:
    """What typical figures are beyond of what was asked."""
    energy, most = cost.energy, bounds["budget_uj"]
    if energy and most and middle(energy) > most:
        needs, has = apart(middle(energy), most)
        yield f"energy {needs} uJ, at most {has}"
    late, most = cost.latency_us, bounds["budget_ms"]
    if late and most and middle(late) / 1000 > most:
        needs, has = apart(middle(late) / 1000, most)
        yield f"latency {needs} ms, at most {has}"
    elif late is None and most:
        yield "latency not known"
    days, least = cost.battery_days, bounds["min_days"]
    if days and least and middle(days) < least:
        lasts, needed = apart(middle(days), least)
        yield f"the battery lasts {lasts} of {needed} days"


def _row(device: Device, precision: str, cost: Cost, beyond: str) -> Ranked:
    return Ranked(
        None,
        device.name,
        precision,
        cost.energy_uj,
        cost.energy_period_uj,
        cost.average_mw,
        cost.latency_us,
        cost.battery_days,
        cost.fits,
        cost.accepted and not beyond,
        None,
        cost.basis,
        cost.reason or beyond or None,
    )


def _ranked(rows: Sequence[Ranked]) -> Iterator[Ranked]:
    """By energy, of equal ones the best known first; those that do not meet what was asked last."""
    known = sorted(rows, key=lambda row: (not row.meets, *_order(row)))
    for rank, row in enumerate(known, 1):
        after = known[rank : rank + 1]
        told_apart = not _overlap(row.energy, after[0].energy) if after else None
        yield dataclasses.replace(row, rank=rank, told_apart_from_next=told_apart)


def _order(row: Ranked) -> tuple[float, int]:
    assert row.energy is not None
    return float(f"{middle(row.energy):.3g}"), BASES.index(row.basis or BASES[-1])


def _overlap(one: Interval | None, other: Interval | None) -> bool:
    assert one is not None and other is not None
    return one.low <= other.high and other.low <= one.high
