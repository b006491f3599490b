"""Time and energy of one step, as intervals: cycles times energy per cycle, or a roofline.

Microcontrollers: cycles from the law of a class of kernels, energy from the power while computing.
Raspberry Pis: a call, and multiplications against bytes from RAM, times board power.

>>> from edgelstm.cost.count_ops import count
>>> from edgelstm.devices.device import read_device
>>> from edgelstm.model.sizes import shapes
>>> counts = count(shapes("lstm", 40, 64))
>>> round(estimate(counts, read_device("stm32u575"), "edgelstm").energy_uj.typical, 2)
6.75
"""

import dataclasses
import math
from numbers import Real
from typing import Any

from edgelstm.arguments import check_type
from edgelstm.cost.boards import CALLS, STEP, board_time, is_calibrated, no_time
from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import (
    Interval,
    Spread,
    around,
    default_kernels,
    estimate_cycles,
    how_known,
    no_cycles,
)
from edgelstm.cost.duty import Duty, Step, check_options, duty
from edgelstm.cost.laws import BOARD_LAWS, CLASSES, KERNELS, SPLIT_US
from edgelstm.cost.power import power_at
from edgelstm.devices.device import Device, weakest
from edgelstm.errors import DeviceError
from edgelstm.notebook import html_table
from edgelstm.text import number

BOARD_POWER_HALF_WIDTH = 0.30  # of a Raspberry Pi without calibration; assumed


@dataclasses.dataclass(frozen=True)
class Energy:
    """Time and energy of one step.

    Attributes:
        latency_us: Microseconds; None if not known.
        energy_uj: Microjoules, nothing subtracted; None if not known.
        energy_net_uj: Microjoules above the idle board (Raspberry Pi), if it draws more than idle;
            None for microcontrollers, whose figures are gross.
        energy_reason: Why energy is None; None if it is not.
        basis: Weakest of what was used: measured, datasheet, derived or assumed; None if nothing is
            known.
        notes: What the figures rest on beyond that, one sentence each.
        duty: Average power and battery life, if a period was given and the time is known.
        latency_reason: Why time is None; None if it is not.
        kernels: The class of kernels that it was estimated for.
    """

    latency_us: Interval | None
    energy_uj: Interval | None
    energy_net_uj: Interval | None
    energy_reason: str | None
    basis: str | None
    notes: tuple[str, ...] = ()
    duty: Duty | None = None
    latency_reason: str | None = None
    kernels: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers."""
        return dataclasses.asdict(self)

    def _repr_html_(self) -> str:
        """A table for notebooks: low, typical, high."""
        named = {
            "time, us": self.latency_us,
            "energy, uJ": self.energy_uj,
            "energy above idle, uJ": self.energy_net_uj,
        }
        rows = [
            (name, *("-" if n is None else f"{n:,.4g}" for n in dataclasses.astuple(interval)))
            for name, interval in named.items()
            if interval is not None
        ]
        reason = f"; {self.energy_reason}" if self.energy_reason else ""
        title = f"One step, {self.basis or 'not known'}{reason}"
        return html_table(title, ("", "low", "typical", "high"), rows)


def estimate(
    counts: Counts,
    device: Device,
    kernels: str | None = None,
    clock_mhz: float | None = None,
    *,
    cores: int = 1,
    period_ms: float | None = None,
    sleep: str | None = None,
    battery: str | float | None = None,
) -> Energy:
    """Time and energy of one step.

    Args:
        counts: From `count`.
        device: From `read_device`.
        kernels: One of `laws.KERNELS`; None: those of `default_kernels`.
        clock_mhz: Up to the device's clock, which is also the default.
        cores: That may share a step (Raspberry Pi), where that is faster.
        period_ms: From step to step; with it the result has a `duty`.
        sleep: How the device waits, `deep` or `clocks-on`; None for both.
        battery: `cr2032`, or a charge in mAh.

    Returns:
        Intervals with the weakest basis; None with a reason where speed or power is not known.

    Raises:
        DeviceError: Unknown kernels, a clock or cores that the device does not have, a period,
            sleep or battery that is none.

    >>> from edgelstm.cost.count_ops import count
    >>> from edgelstm.devices.device import read_device
    >>> from edgelstm.model.sizes import shapes
    >>> counts = count(shapes("lstm", 40, 64))
    >>> round(estimate(counts, read_device("stm32u575"), "edgelstm").energy_uj.typical, 2)
    6.75
    """
    clock = _checked_clock(counts, device, kernels, clock_mhz, cores)
    check_options(period_ms, sleep, battery)
    energy = _step(counts, device, kernels or default_kernels(counts, device), clock, cores)
    if period_ms is None or energy.latency_us is None or energy.basis is None:
        return energy
    step = Step(energy.latency_us, energy.energy_uj, clock, energy.basis)
    found = duty(step, device, period_ms=period_ms, sleep=sleep, battery=battery)
    return dataclasses.replace(energy, duty=found)


def check_kernels(kernels: str | None) -> None:
    """Raises a `DeviceError` for kernels that are none; None is the default."""
    if kernels is not None and kernels not in list(KERNELS):
        raise DeviceError(f"kernels '{kernels}' is unknown; known: {', '.join(KERNELS)}")


def _checked_clock(
    counts: Counts, device: Device, kernels: str | None, clock_mhz: float | None, cores: int
) -> float:
    """The clock to estimate at, if the other arguments of `estimate` are some as well."""
    check_type(counts, Counts, "counts", "`count(network)` gives them")
    if not isinstance(device, Device):
        raise DeviceError(f"device is a {type(device).__name__}; `read_device(name)` gives one")
    check_kernels(kernels)
    clock = device.clock.typical if clock_mhz is None else clock_mhz
    if not isinstance(clock, Real) or not 0 < clock <= device.clock.high:
        raise DeviceError(f"{device.name} runs at up to {device.clock.high:g} MHz, not {clock} MHz")
    usable = device.n_cores if device.kind == "sbc" else 1
    if cores not in range(1, usable + 1):
        raise DeviceError(f"{device.name}: cores is {cores}; the work runs on 1 to {usable}")
    return clock


def _step(counts: Counts, device: Device, kernels: str, clock_mhz: float, cores: int) -> Energy:
    """The estimate without a period."""
    if device.kind == "sbc":
        return _raspberry_pi(counts, device, kernels, clock_mhz, cores)
    return _microcontroller(counts, device, kernels, clock_mhz)


def _unknown(reason: str, kernels: str) -> Energy:
    """The estimate where neither time nor energy is known."""
    return Energy(None, None, None, reason, None, latency_reason=reason, kernels=kernels)


def _microcontroller(counts: Counts, device: Device, kernels: str, clock_mhz: float) -> Energy:
    reason = no_cycles(counts, device, kernels)
    if device.energy_answer == "none: context only":
        reason = f"{device.name} is listed for comparison only"
    if reason:
        return _unknown(reason, kernels)
    needed = estimate_cycles(counts, device, kernels)
    latency = Interval(*(n / clock_mhz for n in (needed.low, needed.typical, needed.high)))
    notes = _notes(counts, device, kernels, needed)
    bases = [needed.basis, device.clock.basis]
    power, reason = power_at(device, clock_mhz)
    if power is None:
        return Energy(latency, None, None, reason, weakest(bases), tuple(notes), kernels=kernels)
    energy = _energy(needed, power, 1e-3 / clock_mhz)
    if device.energy_answer == "range only":
        energy = dataclasses.replace(energy, typical=None)
        notes.append("the device's power is known as a range only")
    basis = weakest([*bases, power.basis, "derived"])
    return Energy(latency, energy, None, None, basis, tuple(notes), kernels=kernels)


def _notes(counts: Counts, device: Device, kernels: str, needed: Spread) -> list[str]:
    """What a microcontroller's figures rest on."""
    notes = [
        f"kernels '{kernels}': {CLASSES[kernels]}",
        "gross: nothing is subtracted for the idle device",
    ]
    known = how_known(counts, device, kernels)
    notes += [known] if known else []
    if needed.wait is None:
        notes.append("flash wait states are not known for these kernels on it and taken as none")
    return notes


def _energy(needed: Spread, power: Spread, uj: float) -> Interval:
    """Cycles times power; `uj` is microjoules per cycle and milliwatt."""
    typical = needed.typical * power.typical * uj
    if needed.half_width is None:
        return Interval(needed.low * power.low * uj, typical, needed.high * power.high * uj)
    assert power.half_width is not None
    return around(typical, math.hypot(needed.half_width, power.half_width), needed.wait)


def _raspberry_pi(
    counts: Counts, device: Device, kernels: str, clock_mhz: float, cores: int
) -> Energy:
    reason = no_time(counts, device, kernels)
    if reason:
        return _unknown(reason, kernels)
    time = board_time(counts, device, kernels, clock_mhz, cores)
    streaming, used = time.roofline.streaming, time.roofline.cores
    calibrated = is_calibrated(device, kernels)
    told = (
        f"calibrated: rates and call overhead were measured on {device.name}"
        if calibrated
        else "uncalibrated: rates, call overhead and power of this machine were not measured"
    )
    source = device.figures[CALLS[STEP]].source if calibrated else BOARD_LAWS[kernels].source
    notes = [
        told,
        f"one call a step, of which the call itself {number(time.call_us.low)} to "
        f"{number(time.call_us.high)} us: {source}",
        f"weights are read from {'RAM' if streaming else 'the cache'} in each step",
    ]
    if used < cores:
        notes.append(
            f"on 1 core: sharing a step takes {SPLIT_US:g} us (assumed), more than it saves"
        )
    if clock_mhz != device.clock.typical:
        notes.append(f"power is that at {device.clock.typical:g} MHz")
    basis = "measured" if calibrated else "assumed"
    made = Energy(time.latency_us, None, None, None, basis, tuple(notes), kernels=kernels)
    load, idle = _load_w(device, used, streaming=streaming), device.figure("power.idle_w")
    if load is None or idle is None:
        return dataclasses.replace(made, energy_reason=f"{device.name}: power is not known")
    above_idle = load - idle.typical
    net = _times(time.latency_us, above_idle) if above_idle > 0 else None
    gross = _times(time.latency_us, load)
    return dataclasses.replace(made, energy_uj=gross, energy_net_uj=net, basis="assumed")


def _times(latency_us: Interval, watts: float) -> Interval:
    """Microjoules: microseconds times watts, with the widths of time and power."""
    typical = latency_us.typical
    assert typical is not None
    below, above = (
        1 + math.hypot(ratio - 1, BOARD_POWER_HALF_WIDTH)
        for ratio in (typical / latency_us.low, latency_us.high / typical)
    )
    return Interval(watts * typical / below, watts * typical, watts * typical * above)


def _load_w(device: Device, cores: int, *, streaming: bool) -> float | None:
    """Watts of the whole board: measured for one core, linear in cores between idle and all."""
    one = device.figure("power.one_core_streaming_w" if streaming else "power.one_core_w")
    if one and cores == 1:
        return one.typical
    idle, full = device.figure("power.idle_w"), device.figure("power.all_cores_w")
    if idle is None or full is None:
        return None
    linear = idle.typical + (full.typical - idle.typical) * cores / device.n_cores
    return max(linear, one.typical if one else 0.0)
