"""`csv:FILE`: what another logger wrote, read when the windows are over.

Columns `time_s` and `power_w`, or `current_a` and `voltage_v`; `trigger` if the logger sees one.
Also `_ms _us`, `_ma _ua`, `_mw _uw`, `_mv`; commas or spaces, with a header.
"""

import pathlib

from edgelstm.errors import ModelError
from edgelstm.files.disk import obstacle, read_bytes
from edgelstm.measurement.power.source import Sample

LARGEST_BYTES = 1 << 28
UNIX = 1e9  # seconds; a smaller time is one of the logger's own
UNITS = {"s": 1.0, "w": 1.0, "a": 1.0, "v": 1.0, "ms": 1e-3, "us": 1e-6, "ma": 1e-3, "ua": 1e-6}
UNITS |= {"mw": 1e-3, "uw": 1e-6, "mv": 1e-3}
KNOWN: dict[str, tuple[str, ...]] = {
    "time": ("s", "ms", "us"),
    "power": ("w", "mw", "uw"),
    "current": ("a", "ma", "ua"),
    "voltage": ("v", "mv"),
}


class CsvFile:
    """A `Source` whose samples come at the end."""

    period_s, gross_only = 1.0, False

    def __init__(self, path: str) -> None:
        self.name, self._path = f"csv:{path}", pathlib.Path(path)

    def obstacle(self) -> str | None:
        """See `Source`: hours of windows would end without a sample."""
        told = obstacle(self._path, LARGEST_BYTES)
        return f"{self._path} {told}; start the logger first" if told else None

    def read(self, now: float) -> Sample | None:
        """See `Source`."""
        return None

    def finish(self) -> list[Sample]:
        """See `Source`."""
        content = read_bytes(self._path, "a logger writes it while bench runs", LARGEST_BYTES)
        return samples(content.decode("utf-8-sig", "replace"), str(self._path))


def samples(text: str, name: str) -> list[Sample]:
    """Of a table; `ModelError` with what is wrong of it, never a guess."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise ModelError(f"{name} holds no samples; a header and rows are needed")
    header, *rows = (_words(line) for line in lines)
    columns = _columns(header, name)
    found: list[Sample] = []
    for k, row in enumerate(rows, 2):
        try:
            values = {key: float(row[at]) * unit for key, (at, unit) in columns.items()}
        except (ValueError, IndexError):
            raise ModelError(f"{name}: line {k} is no row of numbers") from None
        watts = values.get("power", values.get("current", 0.0) * values.get("voltage", 0.0))
        trigger = values["trigger"] > 0.5 if "trigger" in values else None
        if found and values["time"] < found[-1].time_s:
            raise ModelError(
                f"{name}: time goes backwards in line {k}; sort its rows by time: "
                "(head -1 F; tail -n +2 F | sort -n) > G"
            )
        found.append(Sample(values["time"], {"all": watts}, trigger))
    if "trigger" not in columns and found[0].time_s < UNIX:
        raise ModelError(
            f"{name} has no column 'trigger', and its time is not Unix time of this machine "
            "(seconds above 10^9): add one of the two"
        )
    return found


def _words(line: str) -> list[str]:
    return [word.strip() for word in (line.split(",") if "," in line else line.split())]


def _columns(header: list[str], name: str) -> dict[str, tuple[int, float]]:
    """Quantity to its column and unit."""
    found: dict[str, tuple[int, float]] = {}
    for at, word in enumerate(header):
        quantity, _, unit = word.lower().rpartition("_")
        if word.lower() == "trigger":
            found["trigger"] = at, 1.0
        elif quantity in KNOWN:
            if unit not in KNOWN[quantity]:
                known = ", ".join(f"{quantity}_{u}" for u in KNOWN[quantity])
                raise ModelError(f"{name}: column '{word}' has no unit that is known: {known}")
            found[quantity] = at, UNITS[unit]
    if "time" not in found or not ("power" in found or {"current", "voltage"} <= set(found)):
        raise ModelError(
            f"{name}: columns {', '.join(header)[:100]}; time_s and power_w, or time_s, current_a "
            "and voltage_v are needed"
        )
    return found
