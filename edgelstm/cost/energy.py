"""Time and energy of one step, as intervals: cycles times energy per cycle, or a roofline.

Microcontrollers: cycles from the law of a class of kernels, energy from the power while computing.
Raspberry Pis: a call, and multiplications against bytes from RAM, times board power.
"""

import dataclasses
import math
from numbers import Real
from typing import Any

from edgelstm.arguments import check_type
from edgelstm.cost.boards import board_time, no_time
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
from edgelstm.cost.duty import Duty, Step, check_options, duty, power_ratio
from edgelstm.cost.laws import BOARD_LAWS, CLASSES, KERNELS, SPLIT_US
from edgelstm.devices.device import Device, weakest
from edgelstm.errors import DeviceError
from edgelstm.notebook import html_table
from edgelstm.text import number

# Half-width of power by what it was obtained from, and how well that is known.
POWER_HALF_WIDTH = {
    "this runtime": (0.14, "derived"),  # contains all 39 points of one workload left out
    "other runtimes": (0.22, "derived"),  # contains all 17 points of one runtime left out
    "coremark": (0.15, "assumed"),
}
# Neural code over a data sheet's front page, from three chips.
HEADLINE_FACTOR, HEADLINE_HALF_WIDTH = 2.0, 0.30

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
        kernels: One of `laws.KERNELS`; None: the class that people run such a network with, see
            `default_kernels`.
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
    >>> round(estimate(counts, read_device("stm32u575"), "edgelstm").energy_uj.typical, 1)
    8.2
    """
    check_type(counts, Counts, "counts", "`count(network)` gives them")
    if not isinstance(device, Device):
        raise DeviceError(f"device is a {type(device).__name__}; `read_device(name)` gives one")
    check_kernels(kernels)
    kernels = default_kernels(counts, device) if kernels is None else kernels
    clock = device.clock.typical if clock_mhz is None else clock_mhz
    if not isinstance(clock, Real) or not 0 < clock <= device.clock.high:
        raise DeviceError(f"{device.name} runs at up to {device.clock.high:g} MHz, not {clock} MHz")
    usable = device.n_cores if device.kind == "sbc" else 1
    if cores not in range(1, usable + 1):
        raise DeviceError(f"{device.name}: cores is {cores}; the work runs on 1 to {usable}")
    check_options(period_ms, sleep, battery)
    if device.kind == "sbc":
        energy = _raspberry_pi(counts, device, kernels, clock, cores)
    else:
        energy = _microcontroller(counts, device, kernels, clock)
    if period_ms is None or energy.latency_us is None or energy.basis is None:
        return energy
    step = Step(energy.latency_us, energy.energy_uj, clock, energy.basis)
    found = duty(step, device, period_ms=period_ms, sleep=sleep, battery=battery)
    return dataclasses.replace(energy, duty=found)


def check_kernels(kernels: str | None) -> None:
    """Raises a `DeviceError` for kernels that are none; None is the default."""
    if kernels is not None and kernels not in list(KERNELS):
        raise DeviceError(f"kernels '{kernels}' is unknown; known: {', '.join(KERNELS)}")


def _unknown(reason: str, kernels: str) -> Energy:
    """Neither time nor energy."""
    return Energy(None, None, None, reason, None, latency_reason=reason, kernels=kernels)


def _microcontroller(counts: Counts, device: Device, kernels: str, clock_mhz: float) -> Energy:
    reason = no_cycles(counts, device, kernels)
    if device.energy_answer == "none: context only":
        reason = f"{device.name} is listed for comparison only"
    if reason:
        return _unknown(reason, kernels)
    needed = estimate_cycles(counts, device, kernels)
    latency = Interval(*(n / clock_mhz for n in (needed.low, needed.typical, needed.high)))
    notes = [
        f"kernels '{kernels}': {CLASSES[kernels]}",
        "gross: nothing is subtracted for the idle device",
    ]
    known = how_known(counts, device, kernels)
    notes += [known] if known else []
    if needed.wait is None:
        notes.append("flash wait states are not known for these kernels on it and taken as none")
    bases = [needed.basis, device.clock.basis]
    power = _power(device)
    reason = f"{device.name}: power is not known" if power is None else None
    slower = clock_mhz != device.clock.typical
    ratio = power_ratio(device, clock_mhz) if power and slower else None
    if power and slower and ratio is None:
        reason = (
            f"{device.name}: power at {clock_mhz:g} MHz is not known: clock.lowest_mhz and "
            "power.static_mw say what it is between two clocks"
        )
    if power is None or reason:
        return Energy(latency, None, None, reason, weakest(bases), tuple(notes), kernels=kernels)
    bases += [power.basis, "derived"]
    if ratio is not None:
        bases.append(device.figures["power.static_mw"].basis)
        power = dataclasses.replace(
            power, **{end: ratio * getattr(power, end) for end in ("low", "typical", "high")}
        )
    energy = _energy(needed, power, 1e-3 / clock_mhz)
    if device.energy_answer == "range only":
        energy = dataclasses.replace(energy, typical=None)
        notes.append("the device's power is known as a range only")
    return Energy(latency, energy, None, None, weakest(bases), tuple(notes), kernels=kernels)


def _energy(needed: Spread, power: Spread, uj: float) -> Interval:
    """Cycles times power; `uj` is microjoules per cycle and milliwatt."""
    typical = needed.typical * power.typical * uj
    if needed.half_width is None:
        return Interval(needed.low * power.low * uj, typical, needed.high * power.high * uj)
    assert power.half_width is not None
    return around(typical, math.hypot(needed.half_width, power.half_width), needed.wait)


def _power(device: Device) -> Spread | None:
    """Milliwatts while computing; None if not known."""
    if device.energy_answer == "refuse: power unknown":
        return None
    active = device.figure("power.active_mw")
    if active:
        spread = max(active.high / active.typical, active.typical / active.low) - 1
        source = device.texts.get("power.active_from", "current")
        width, basis = POWER_HALF_WIDTH.get(source, (spread, active.basis))
        basis = weakest([basis, active.basis])
        return Spread(active.low, active.typical, active.high, width, basis)
    current = device.figure("power.headline_ua_per_mhz")
    volts = device.figure("power.headline_v")
    if current is None or volts is None:
        return None
    milliwatts = current.typical * device.clock.typical * volts.typical * HEADLINE_FACTOR / 1000
    ends = around(milliwatts, HEADLINE_HALF_WIDTH)
    basis = weakest(["derived", current.basis, volts.basis])
    return Spread(ends.low, milliwatts, ends.high, HEADLINE_HALF_WIDTH, basis)


def _raspberry_pi(
    counts: Counts, device: Device, kernels: str, clock_mhz: float, cores: int
) -> Energy:
    reason = no_time(counts, device, kernels)
    if reason:
        return _unknown(reason, kernels)
    time = board_time(counts, device, kernels, clock_mhz, cores)
    streaming, used = time.roofline.streaming, time.roofline.cores
    notes = [
        "uncalibrated: rates, call overhead and power of this machine were not measured",
        f"one call a step, of which the call itself {number(time.call_us.low)} to "
        f"{number(time.call_us.high)} us: {BOARD_LAWS[kernels].source}",
        f"weights are read from {'RAM' if streaming else 'the cache'} in each step",
    ]
    if used < cores:
        notes.append(
            f"on 1 core: sharing a step takes {SPLIT_US:g} us (assumed), more than it saves"
        )
    if clock_mhz != device.clock.typical:
        notes.append(f"power is that at {device.clock.typical:g} MHz")
    made = Energy(time.latency_us, None, None, None, "assumed", tuple(notes), kernels=kernels)
    load, idle = _load_w(device, used, streaming=streaming), device.figure("power.idle_w")
    if load is None or idle is None:
        return dataclasses.replace(made, energy_reason=f"{device.name}: power is not known")
    above_idle = load - idle.typical
    net = _times(time.latency_us, above_idle) if above_idle > 0 else None
    return dataclasses.replace(made, energy_uj=_times(time.latency_us, load), energy_net_uj=net)


def _times(latency_us: Interval, watts: float) -> Interval:
    """W times us are uJ; the widths of both."""
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
