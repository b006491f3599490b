"""Duty cycle: average power, battery life, and whether a slower clock would help.

``D = time of a step / period``; ``average = energy of a step / period + (1 - D) * waiting power``.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from numbers import Real

from edgelstm.cost.cycles import Interval
from edgelstm.devices.device import Device, weakest
from edgelstm.errors import DeviceError

SLEEPS = ("deep", "clocks-on")
ETA, USABLE = 0.9, 0.8  # of a converter and of a battery's charge; assumed
BUSY = 0.95  # share of the time that the slowest clock computes; assumed
CR2032_MAH, CR2032_V, CR2032_PEAK_MA = 225.0, 3.0, 15.0  # from memory of data sheets, not checked
CELL_V = {"sbc": 3.7}  # of a battery given in mAh; 3 V for anything else
DAY = 86400.0
YEAR_MS = 365 * DAY * 1000  # a longer period is a slip of the keyboard


@dataclasses.dataclass(frozen=True)
class Battery:
    """What a battery holds: charge in mAh at a voltage, and what of it does work, in joules."""

    name: str
    mah: float
    volts: float
    usable_j: float


@dataclasses.dataclass(frozen=True)
class Waiting:
    """What follows from one way of waiting between steps.

    Attributes:
        sleep: `deep` or `clocks-on`.
        mode: What the device calls it, if it does.
        wait_mw: Power while waiting.
        average_mw: Power over the period, of the step and the waiting.
        slow_clock_average_mw: Power over the period at `Duty.slowest_clock_mhz`.
        life_days: Of the battery.
        basis: Weakest of the waiting power and the energy.
        reason: Why there is no figure; None if there is.
    """

    sleep: str
    mode: str | None
    wait_mw: Interval | None
    average_mw: Interval | None
    slow_clock_average_mw: Interval | None
    life_days: Interval | None
    basis: str | None
    reason: str | None


@dataclasses.dataclass(frozen=True)
class Duty:
    """One step in each period.

    Attributes:
        period_ms: From step to step.
        duty_cycle: Share of the period that is computed; above 1 the device does not keep up.
        keeps_up: None where the interval holds both answers.
        slowest_clock_mhz: At which a step takes 0.95 of the period, or the lowest at which the
            device's power is known; None if that is not known, or not below the clock.
        battery: None if none was given.
        waiting: The way that was asked for, else each.
        assumed: What the figures rest on.
    """

    period_ms: float
    duty_cycle: Interval
    keeps_up: bool | None
    slowest_clock_mhz: float | None
    battery: Battery | None
    waiting: tuple[Waiting, ...]
    assumed: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Step:
    """Time and energy of one step at a clock, and how well they are known."""

    latency_us: Interval
    energy_uj: Interval | None
    clock_mhz: float
    basis: str


def check_options(period_ms: float | None, sleep: str | None, battery: str | float | None) -> None:
    """Raises a `DeviceError` for options that say nothing or not together."""
    if period_ms is None and (sleep is not None or battery is not None):
        raise DeviceError("sleep and battery need period_ms: how often a step is computed")
    if period_ms is not None and not (isinstance(period_ms, Real) and 0 < period_ms < math.inf):
        raise DeviceError(f"period_ms is {period_ms}; a number above 0 is needed")
    if period_ms is not None and period_ms > YEAR_MS:
        raise DeviceError(f"period_ms is {period_ms:g}; at most {YEAR_MS:.4g}, a year, is computed")
    if sleep not in (None, *SLEEPS):
        raise DeviceError(f"sleep '{sleep}' is unknown; known: {', '.join(SLEEPS)}")


def read_battery(battery: str | float, device: Device) -> Battery:
    """`cr2032`, or a charge in mAh; `DeviceError` for anything else."""
    if str(battery).lower() == "cr2032":
        name, mah, volts = "CR2032", CR2032_MAH, CR2032_V
    else:
        try:
            mah = float(battery)
        except (ValueError, TypeError):
            mah = math.nan
        if not 0 < mah < math.inf:
            raise DeviceError(f"battery is '{battery}'; cr2032, or its charge in mAh, is needed")
        volts = CELL_V.get(device.kind, 3.0)
        name = f"{mah:g} mAh"
    return Battery(name, mah, volts, mah * 3.6 * volts * ETA * USABLE)


def duty(
    step: Step,
    device: Device,
    *,
    period_ms: float,
    sleep: str | None = None,
    battery: str | float | None = None,
) -> Duty:
    """Average power and battery life of one step per period.

    Args:
        step: Time and energy.
        device: Its waiting power, see `device.FIGURES`.
        period_ms: From step to step.
        sleep: `deep`, `clocks-on`, or None for both.
        battery: `cr2032`, or a charge in mAh.

    Raises:
        DeviceError: An option that is none.
    """
    check_options(period_ms, sleep, battery)
    share = _map(lambda us: us / (1000 * period_ms), step.latency_us)
    keeps_up = True if share.high <= 1 else False if share.low > 1 else None
    typical = share.high if share.typical is None else share.typical
    lowest = device.figure("clock.lowest_mhz")
    slowest = max(step.clock_mhz * typical / BUSY, lowest.typical) if lowest else step.clock_mhz
    made = Duty(
        period_ms,
        share,
        keeps_up,
        slowest if slowest < step.clock_mhz and power_ratio(device, slowest) else None,
        None if battery is None else read_battery(battery, device),
        waiting=(),
        assumed=(),
    )
    ways = tuple(_waiting(way, step, device, made) for way in ([sleep] if sleep else SLEEPS))
    return dataclasses.replace(made, waiting=ways, assumed=tuple(_assumed(step, made)))


def _waiting(sleep: str, step: Step, device: Device, made: Duty) -> Waiting:
    mode = device.texts.get("sleep.mode") if sleep == "deep" else None
    wait, basis, reason = wait_mw(device, sleep)
    if step.energy_uj is None:
        reason = "the energy of a step is not known"
    if made.duty_cycle.low > 1:
        reason = f"does not keep up: a step takes more than {made.period_ms:g} ms"
    if wait is None or step.energy_uj is None or reason:
        return Waiting(sleep, mode, wait, None, None, None, None, reason)

    def average(uj: float, share: float, idle_mw: float) -> float:
        return uj / made.period_ms / max(share, 1) + max(0.0, 1 - share) * idle_mw

    def slow(uj: float, share: float, idle_mw: float) -> float:
        return average(uj * longer * less, share * longer, idle_mw)

    longer = step.clock_mhz / (made.slowest_clock_mhz or step.clock_mhz)
    less = (power_ratio(device, step.clock_mhz / longer) or 1) / (
        power_ratio(device, step.clock_mhz) or 1
    )
    parts = step.energy_uj, made.duty_cycle, wait
    mean = _map(average, *parts)
    return Waiting(
        sleep,
        mode,
        wait,
        mean,
        _map(slow, *parts) if made.slowest_clock_mhz else None,
        life_days(made.battery, mean),
        weakest([basis, step.basis]),
        None,
    )


def power_ratio(device: Device, clock_mhz: float) -> float | None:
    """Power while computing at a clock over that at the highest; None where it is not known.

    Between the lowest and the highest clock it is a line with `power.static_mw` at 0 MHz.
    """
    keys = ("clock.lowest_mhz", "power.static_mw", "power.active_mw")
    lowest, static, active = map(device.figure, keys)
    if lowest is None or static is None or active is None or clock_mhz < lowest.typical:
        return None
    fixed = static.typical / active.typical
    return fixed + (1 - fixed) * clock_mhz / device.clock.typical


def wait_mw(device: Device, sleep: str) -> tuple[Interval | None, str, str | None]:
    """Milliwatts while waiting and their basis, or the reason why they are not known."""
    board = device.kind == "sbc"
    keys = ["power.idle_w" if board else "power.idle_clocks_on_mw"]
    if sleep == "deep":
        keys = ["sleep.ua", "sleep.v"]
    figures = [f for f in map(device.figure, keys) if f is not None]
    if len(figures) < len(keys):
        return None, "assumed", f"{device.name}: {', '.join(keys)} not known"
    unit = 1e-3 if sleep == "deep" else 1e3 if board else 1.0
    ends = (
        math.prod(getattr(f, end) for f in figures) * unit for end in ("low", "typical", "high")
    )
    return Interval(*ends), weakest(f.basis for f in figures), None


def life_days(battery: Battery | None, mean_mw: Interval) -> Interval | None:
    """Days that a battery lasts at an average power; None without one."""
    if battery is None:
        return None
    days = _map(lambda mw: battery.usable_j * 1000 / mw / DAY, mean_mw)
    return Interval(days.high, days.typical, days.low)


def _map(f: Callable[..., float], *intervals: Interval) -> Interval:
    """`f` of all lows, all typicals (None if one is), all highs."""
    typical = [i.typical for i in intervals]
    return Interval(
        f(*(i.low for i in intervals)),
        None if None in typical else f(*typical),
        f(*(i.high for i in intervals)),
    )


def _assumed(step: Step, made: Duty) -> Iterator[str]:
    yield "waking up is taken to need no energy (E_wake = 0): no device has a published figure"
    yield "sensor and radio are not counted"
    if made.slowest_clock_mhz:
        yield (
            f"slowest clock: a step fills {BUSY:g} of the period, or less at the lowest clock at "
            "which power is known; waiting takes what it takes at the present clock"
        )
    battery = made.battery
    if battery is None:
        return
    yield (
        f"{battery.name}: {battery.mah:g} mAh at {battery.volts:g} V, of which {USABLE:g} serve "
        f"through a converter of efficiency {ETA:g} (assumed): {battery.usable_j:,.0f} J; "
        "self-discharge is not counted"
    )
    if battery.name != "CR2032" or step.energy_uj is None:
        return
    peak = 1000 * step.energy_uj.high / step.latency_us.high / battery.volts
    if peak > CR2032_PEAK_MA:
        yield (
            f"a step draws about {peak:.0f} mA of the cell; a CR2032 gives peaks of about "
            f"{CR2032_PEAK_MA:g} mA (from memory of data sheets, not checked)"
        )
