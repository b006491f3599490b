"""Time and energy of one step, as intervals: cycles times energy per cycle, or a roofline.

Microcontrollers: cycles from published runtimes or from the law of one kernel set, energy from the
power while computing. Raspberry Pis: multiplications against bytes from RAM, times board power.
"""

import dataclasses
import math
from numbers import Real
from typing import Any

from edgelstm.counts import Counts
from edgelstm.cycles import KERNELS, Interval, Spread, around, estimate_cycles, no_cycles
from edgelstm.device import Device, weakest
from edgelstm.duty import Duty, Step, check_options, duty
from edgelstm.errors import DeviceError
from edgelstm.given import check_type
from edgelstm.notebook import html_table
from edgelstm.traffic import constant_bytes, fits_cache

# Half-width of power by what it was obtained from, and how well that is known.
POWER_HALF_WIDTH = {
    "this runtime": (0.14, "derived"),  # contains all 39 points of one workload left out
    "other runtimes": (0.22, "derived"),  # contains all 17 points of one runtime left out
    "coremark": (0.15, "assumed"),
}
# Neural code over a data sheet's front page, from three chips.
HEADLINE_FACTOR, HEADLINE_HALF_WIDTH = 2.0, 0.30

# Raspberry Pi without calibration; all assumed.
CALL_US = 1.0
TIME_HALF_WIDTH, BOARD_POWER_HALF_WIDTH = 1.0, 0.30


@dataclasses.dataclass(frozen=True)
class Energy:
    """Time and energy of one step.

    Attributes:
        latency_us: Microseconds; None if not known.
        energy_uj: Microjoules, nothing subtracted; None if not known.
        energy_net_uj: Microjoules above the idle board (Raspberry Pi), if it draws more than idle;
            None for microcontrollers, whose figures are gross.
        energy_reason: Why energy, or time as well, is None; None if it is not.
        basis: Weakest of what was used: measured, datasheet, derived or assumed; None if nothing is
            known.
        notes: What the figures rest on beyond that, one sentence each.
        duty: Average power and battery life, if a period was given and the time is known.
    """

    latency_us: Interval | None
    energy_uj: Interval | None
    energy_net_uj: Interval | None
    energy_reason: str | None
    basis: str | None
    notes: tuple[str, ...] = ()
    duty: Duty | None = None

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
        kernels: One of `KERNELS`, for microcontrollers: what others' runtimes do (`published`,
            also None), or the law of one kernel set.
        clock_mhz: Up to the device's clock, which is also the default.
        cores: That share the work (Raspberry Pi).
        period_ms: From step to step; with it the result has a `duty`.
        sleep: How the device waits, `deep` or `clocks-on`; None for both.
        battery: `cr2032`, or a charge in mAh.

    Returns:
        Intervals with the weakest basis; None with a reason where speed or power is not known.

    Raises:
        DeviceError: Unknown kernels, a clock or cores that the device does not have, a period,
            sleep or battery that is none.

    >>> from edgelstm.counting import count
    >>> from edgelstm.device import read_device
    >>> from edgelstm.network import Network, Recurrent
    >>> import numpy as np
    >>> zeros = lambda *shape: np.broadcast_to(np.float32(0), shape)
    >>> lstm = Recurrent("lstm1", "lstm", zeros(256, 40), zeros(256, 64), zeros(256), zeros(256))
    >>> counts = count(Network((lstm,), last_step=False))
    >>> round(estimate(counts, read_device("stm32u575"), "edgelstm").energy_uj.typical, 1)
    8.2
    """
    check_type(counts, Counts, "counts", "`count(network)` gives them")
    if not isinstance(device, Device):
        raise DeviceError(f"device is a {type(device).__name__}; `read_device(name)` gives one")
    kernels = "published" if kernels is None else kernels
    if kernels not in list(KERNELS):
        raise DeviceError(f"kernels '{kernels}' is unknown; known: {', '.join(KERNELS)}")
    clock = device.clock.typical if clock_mhz is None else clock_mhz
    if not isinstance(clock, Real) or not 0 < clock <= device.clock.high:
        raise DeviceError(f"{device.name} runs at up to {device.clock.high:g} MHz, not {clock} MHz")
    usable = device.n_cores if device.kind == "sbc" else 1
    if cores not in range(1, usable + 1):
        raise DeviceError(f"{device.name}: cores is {cores}; the work runs on 1 to {usable}")
    check_options(period_ms, sleep, battery)
    if device.kind == "sbc":
        energy = _raspberry_pi(counts, device, clock, cores)
    else:
        energy = _microcontroller(counts, device, kernels, clock)
    if period_ms is None or energy.latency_us is None or energy.basis is None:
        return energy
    step = Step(energy.latency_us, energy.energy_uj, clock, energy.basis)
    found = duty(step, device, period_ms=period_ms, sleep=sleep, battery=battery)
    return dataclasses.replace(energy, duty=found)


def _unknown(reason: str) -> Energy:
    """Neither time nor energy."""
    return Energy(None, None, None, reason, None)


def _microcontroller(counts: Counts, device: Device, kernels: str, clock_mhz: float) -> Energy:
    if device.energy_answer == "none: context only":
        return _unknown(f"{device.name} is listed for comparison only")
    reason = no_cycles(counts, device, kernels)
    if reason:
        return _unknown(reason)
    needed = estimate_cycles(counts, device, kernels)
    latency = Interval(*(n / clock_mhz for n in (needed.low, needed.typical, needed.high)))
    notes = ["gross: nothing is subtracted for the idle device"]
    if needed.wait is None:
        notes.append("flash wait states are not known for these kernels on it and taken as none")
    bases = [needed.basis, device.clock.basis]
    power = _power(device)
    if power is None:
        reason = f"{device.name}: power is not known"
        return Energy(latency, None, None, reason, weakest(bases), tuple(notes))
    bases += [power.basis, "derived"]
    if clock_mhz != device.clock.typical:
        bases.append("assumed")
        notes.append(f"a cycle is taken to need what it needs at {device.clock.typical:g} MHz")
    energy = _energy(needed, power, 1e-3 / device.clock.typical)
    if device.energy_answer == "range only":
        energy = dataclasses.replace(energy, typical=None)
        notes.append("the device's power is known as a range only")
    return Energy(latency, energy, None, None, weakest(bases), tuple(notes))


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


@dataclasses.dataclass(frozen=True)
class Roofline:
    """Where a step stands between computing and reading RAM; assumed rates.

    Attributes:
        macs: Of one step.
        missed_bytes: Weights and biases read from RAM in each step; 0 if they stay in the cache.
        macs_per_us, bytes_per_us: What the cores and the RAM can do.
        streaming: Whether the weights miss the cache.
        limit: `RAM` or `cores`: which of both takes longer.
    """

    macs: int
    missed_bytes: int
    macs_per_us: float
    bytes_per_us: float
    streaming: bool
    limit: str

    @property
    def microseconds(self) -> float:
        """The longer of both."""
        return max(self.macs / self.macs_per_us, self.missed_bytes / self.bytes_per_us)


def roofline(
    counts: Counts, device: Device, clock_mhz: float | None = None, cores: int = 1
) -> Roofline | None:
    """The roofline of a Raspberry Pi; None where a figure is missing."""
    rate = device.figure(_rate_key(counts))
    cache, bandwidth = (
        device.figure(f"memory.{k}") for k in ("last_level_kib", "dram_read_mb_per_s")
    )
    if rate is None or cache is None or bandwidth is None:
        return None
    weights = constant_bytes(counts)
    streaming = not fits_cache(weights, cache.typical)
    macs_per_us = rate.typical * (clock_mhz or device.clock.typical) * cores
    made = Roofline(
        counts.total.macs,
        weights if streaming else 0,
        macs_per_us,
        bandwidth.typical,  # 1 MB/s is 1 byte per us
        streaming,
        "cores",
    )
    reads_longer = made.missed_bytes / made.bytes_per_us > made.macs / made.macs_per_us
    return dataclasses.replace(made, limit="RAM") if reads_longer else made


def _rate_key(counts: Counts) -> str:
    return f"speed.macs_per_cycle_{'float32' if counts.precision == 'float32' else 'int8'}"


def _raspberry_pi(counts: Counts, device: Device, clock_mhz: float, cores: int) -> Energy:
    bound = roofline(counts, device, clock_mhz, cores)
    if bound is None:
        return _unknown(f"{device.name}: {_rate_key(counts)}, cache or RAM bandwidth not known")
    microseconds, streaming = bound.microseconds + CALL_US, bound.streaming
    notes = [
        "uncalibrated: rates, call overhead and power of this machine were not measured",
        f"weights are read from {'RAM' if streaming else 'the cache'} in each step",
    ]
    if clock_mhz != device.clock.typical:
        notes.append(f"power is that at {device.clock.typical:g} MHz")
    latency = around(microseconds, TIME_HALF_WIDTH)
    load, idle = _load_w(device, cores, streaming=streaming), device.figure("power.idle_w")
    if load is None or idle is None:
        reason = f"{device.name}: power is not known"
        return Energy(latency, None, None, reason, "assumed", tuple(notes))
    width = math.hypot(TIME_HALF_WIDTH, BOARD_POWER_HALF_WIDTH)
    gross = around(load * microseconds, width)  # W times us are uJ
    above_idle = load - idle.typical
    net = around(above_idle * microseconds, width) if above_idle > 0 else None
    return Energy(latency, gross, net, None, "assumed", tuple(notes))


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
