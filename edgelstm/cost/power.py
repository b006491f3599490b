"""Power of a microcontroller while it computes: measured, or from the data sheet's front page."""

import dataclasses

from edgelstm.cost.cycles import Spread, around
from edgelstm.cost.duty import power_ratio
from edgelstm.devices.device import Device, weakest

# Half-width of power by what it was obtained from, and how well that is known.
POWER_HALF_WIDTH = {
    "this runtime": (0.14, "derived"),  # contains all 39 points of one workload left out
    "other runtimes": (0.22, "derived"),  # contains all 17 points of one runtime left out
    "coremark": (0.15, "assumed"),
}
# Neural code over a data sheet's front page, from three chips.
HEADLINE_FACTOR, HEADLINE_HALF_WIDTH = 2.0, 0.30


def power_at(device: Device, clock_mhz: float) -> tuple[Spread | None, str | None]:
    """Milliwatts while computing at a clock, or the reason why they are not known."""
    power = _power(device)
    if power is None:
        return None, f"{device.name}: power is not known"
    if clock_mhz == device.clock.typical:
        return power, None
    ratio = power_ratio(device, clock_mhz)
    if ratio is None:
        return None, (
            f"{device.name}: power at {clock_mhz:g} MHz is not known: clock.lowest_mhz and "
            "power.static_mw say what it is between two clocks"
        )
    ends = {end: ratio * getattr(power, end) for end in ("low", "typical", "high")}
    basis = weakest([power.basis, device.figures["power.static_mw"].basis])
    return dataclasses.replace(power, **ends, basis=basis), None


def _power(device: Device) -> Spread | None:
    """Milliwatts while computing at the highest clock; None if not known."""
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
