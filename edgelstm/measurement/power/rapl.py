"""`rapl`: counters of energy in x86 processors, https://docs.kernel.org/power/powercap/powercap.html.

The package is not the whole machine. Counters of all packages are added, by domain.
"""

import pathlib

from edgelstm.measurement.power.source import Sample, number

POWERCAP = pathlib.Path("/sys/class/powercap")
DOMAINS = {"package": "all", "core": "core", "dram": "dram"}


class Rapl:
    """A `Source`."""

    name, period_s, gross_only = "rapl", 0.1, False

    def __init__(self, root: pathlib.Path = POWERCAP) -> None:
        self._root = root
        self._last: dict[pathlib.Path, float] = {}
        self._time = 0.0

    def _zones(self) -> dict[pathlib.Path, str]:
        """Folder to domain; a package's is `package-0`."""
        found = {}
        for zone in sorted(self._root.glob("intel-rapl:*")):
            try:
                domain = (zone / "name").read_text("ascii").strip().partition("-")[0]
            except OSError:
                continue
            if domain in DOMAINS:
                found[zone] = DOMAINS[domain]
        return found

    def obstacle(self) -> str | None:
        """See `Source`."""
        zones = self._zones()
        if not zones:
            return f"{self._root} has no energy counters: no x86 processor, or a virtual machine"
        try:
            for zone in zones:
                number(zone / "energy_uj")
        except PermissionError:
            return (
                "its counters are root's since CVE-2020-8694 (they tell of other programs): "
                f"sudo chmod a+r {self._root}/intel-rapl:*/energy_uj"
            )
        except OSError as error:
            return str(error)
        return None

    def read(self, now: float) -> Sample | None:
        """See `Source`: the mean power since the last reading; counters begin anew at a maximum."""
        watts: dict[str, float] = {}
        fresh = not self._last
        for zone, domain in self._zones().items():
            counted = number(zone / "energy_uj")
            moved = counted - self._last.get(zone, counted)
            if moved < 0:
                moved += number(zone / "max_energy_range_uj")
            self._last[zone] = counted
            seconds = max(now - self._time, 1e-9)
            watts[domain] = watts.get(domain, 0.0) + moved / 1e6 / seconds
        self._time = now
        return None if fresh else Sample(now, watts)

    def finish(self) -> list[Sample]:
        """See `Source`."""
        return []
