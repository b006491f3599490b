"""`joulescope`: a Joulescope JS110 or JS220 on USB, by the package of its vendor (Apache-2.0).

The instrument integrates current times voltage itself, a million times a second or more, and tells
the mean 20 times a second: as `joulescope statistics` does. What it measures is what is wired
through it. Windows are found by this machine's time, so no pin is needed; USB delays a mean by
milliseconds.
"""

import threading
import time
from typing import Any

from edgelstm.installed import install_line, is_installed
from edgelstm.measurement.power.source import Sample

PACKAGE, RATE_HZ, SILENT_S = "joulescope", 20, 2.0


class Joulescope:
    """A `Source`."""

    name, period_s, gross_only = PACKAGE, 2 / RATE_HZ, False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: list[tuple[float, float]] = []  # Unix time and mean watts, not yet read
        self._heard = 0.0
        self._device: Any = None

    def obstacle(self) -> str | None:
        """See `Source`."""
        if not is_installed(PACKAGE):
            return f"{PACKAGE} is not installed: {install_line(PACKAGE)}"
        try:
            _found()
        except OSError as error:
            return str(error)
        return None

    def read(self, now: float) -> Sample | None:
        """See `Source`: the mean of what came since the last reading."""
        if self._device is None:
            self._device = _started(self._hear)
            self._heard = now
        with self._lock:
            told, self._told = self._told, []
        if not told:
            if now - self._heard > SILENT_S:
                raise OSError(f"it told nothing for {SILENT_S:g} s: is it still plugged in?")
            return None
        self._heard = now
        return Sample(told[-1][0], {"all": sum(watts for _, watts in told) / len(told)})

    def _hear(self, statistics: dict[str, Any]) -> None:
        """Called by the thread of the driver."""
        watts = float(statistics["signals"]["power"]["avg"]["value"])
        with self._lock:
            self._told.append((time.time(), watts))

    def finish(self) -> list[Sample]:
        """See `Source`."""
        return []


def _found() -> Any:
    """The one instrument that is plugged in; `OSError` where that is none, or several."""
    import joulescope

    try:
        devices = joulescope.scan(config="off")
    except (RuntimeError, OSError) as error:
        raise OSError(f"its driver does not start: {error}") from error
    if not devices:
        raise OSError(
            "no Joulescope is plugged in, or USB is root's: its udev rule, "
            "https://github.com/jetperch/joulescope_driver"
        )
    if len(devices) > 1:
        raise OSError(f"{len(devices)} are plugged in ({', '.join(map(str, devices))}); leave one")
    return devices[0]


def _started(hear: Any) -> Any:
    """The instrument, telling means; its driver closes it when this process ends."""
    device = _found()
    try:
        device.parameter_set("reduction_frequency", f"{RATE_HZ} Hz")
        device.statistics_callback_register(hear, "sensor")
        device.open()
        device.parameter_set("i_range", "auto")
        device.parameter_set("v_range", "15V")
    except (RuntimeError, KeyError, ValueError) as error:
        raise OSError(f"{device} cannot be opened: {error}") from error
    return device
