"""`battery`: what a laptop draws from its battery, the whole machine, while it discharges.

https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-class-power
"""

import pathlib

from edgelstm.measurement.power.source import Sample, number

POWER_SUPPLY = pathlib.Path("/sys/class/power_supply")


class Battery:
    """A `Source`; renewed every 1 to 30 s, so no difference to idle is told."""

    name, period_s, gross_only = "battery", 1.0, True

    def __init__(self, root: pathlib.Path = POWER_SUPPLY) -> None:
        self._root = root

    def _battery(self) -> pathlib.Path | None:
        return next(iter(sorted(self._root.glob("BAT*"))), None)

    def obstacle(self) -> str | None:
        """See `Source`."""
        battery = self._battery()
        if battery is None:
            return f"no battery below {self._root}"
        try:
            self.read(0.0)
        except OSError as error:
            return str(error)
        return None

    def read(self, now: float) -> Sample | None:
        """See `Source`: microwatts, or microamperes times microvolts."""
        battery = self._battery()
        if battery is None:
            raise OSError(f"no battery below {self._root}")
        status = (battery / "status").read_text("ascii").strip()
        if status != "Discharging":
            raise OSError(f"the battery is {status.lower()}: unplug the charger")
        if (battery / "power_now").exists():
            return Sample(now, {"all": number(battery / "power_now") / 1e6})
        current, voltage = (number(battery / f) for f in ("current_now", "voltage_now"))
        return Sample(now, {"all": abs(current) * voltage / 1e12})

    def finish(self) -> list[Sample]:
        """See `Source`."""
        return []
