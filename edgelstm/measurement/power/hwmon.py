"""`hwmon`: INA sensors on I2C, https://docs.kernel.org/hwmon/ina2xx.html.

A wrong `shunt_resistor` scales everything, so it is part of the name.
"""

import pathlib

from edgelstm.measurement.power.source import Sample, number

HWMON = pathlib.Path("/sys/class/hwmon")
SENSORS = ("ina219", "ina220", "ina226", "ina230", "ina231")


class Hwmon:
    """A `Source`."""

    name, period_s, gross_only = "hwmon", 0.05, False

    def __init__(self, root: pathlib.Path = HWMON) -> None:
        self._root = root
        self._found: pathlib.Path | None = None
        for sensor in sorted(root.glob("hwmon*")):
            name = sensor / "name"
            if name.is_file() and name.read_text("ascii").strip() in SENSORS:
                self._found = sensor
                break
        if self._found and (self._found / "shunt_resistor").is_file():
            self.name = f"hwmon, shunt {number(self._found / 'shunt_resistor'):g} uOhm"

    def obstacle(self) -> str | None:
        """See `Source`."""
        if self._found is None:
            return f"no {', '.join(SENSORS)} below {self._root}: dtoverlay=i2c-sensor,ina226"
        try:
            self.read(0.0)
        except OSError as error:
            return f"{self._found} cannot be read: {error}"
        return None

    def read(self, now: float) -> Sample | None:
        """See `Source`: microwatts, or milliamperes times millivolts."""
        assert self._found
        if (self._found / "power1_input").exists():
            return Sample(now, {"all": number(self._found / "power1_input") / 1e6})
        current, voltage = (number(self._found / f) for f in ("curr1_input", "in1_input"))
        return Sample(now, {"all": current * voltage / 1e6})

    def finish(self) -> list[Sample]:
        """See `Source`."""
        return []
