"""SOURCES: what measures power here. `auto` takes the first that can be read, never a file.

A new one is a class with the methods of `source.Source`, and a line in this table.
"""

from collections.abc import Callable

from edgelstm.errors import ModelError
from edgelstm.measurement.energies import Tried
from edgelstm.measurement.power.battery import Battery
from edgelstm.measurement.power.csv_file import CsvFile
from edgelstm.measurement.power.hwmon import Hwmon
from edgelstm.measurement.power.joulescope import Joulescope
from edgelstm.measurement.power.pmic import Pmic
from edgelstm.measurement.power.rapl import Rapl
from edgelstm.measurement.power.source import Source

SOURCES: dict[str, Callable[[], Source]] = {
    "joulescope": Joulescope,
    "pmic": Pmic,
    "hwmon": Hwmon,
    "rapl": Rapl,
    "battery": Battery,
}


def open_source(name: str) -> tuple[Source | None, tuple[Tried, ...]]:
    """A source by its name, `csv:FILE`, or `auto`; what was tried, and what each lacks.

    Raises:
        ModelError: The name is none of `SOURCES`, or what it names cannot be read.
    """
    if name.startswith("csv:"):
        file = CsvFile(name.removeprefix("csv:"))
        if reason := file.obstacle():
            raise ModelError(f"power source {name}: {reason}")
        return file, (Tried(name, None),)
    if name != "auto" and name not in SOURCES:
        raise ModelError(
            f"power source '{name}' is unknown; known: auto, {', '.join(SOURCES)}, csv:FILE"
        )
    tried = []
    for one in SOURCES if name == "auto" else (name,):
        source = SOURCES[one]()
        reason = source.obstacle()
        tried.append(Tried(one, reason))
        if reason is None:
            return source, tuple(tried)
    if name != "auto":
        raise ModelError(f"power source '{name}': {tried[0].reason}")
    return None, tuple(tried)
