"""What `size` returns: the largest network of each kind, and what binds it."""

import dataclasses
from typing import Any

from edgelstm.cost.cycles import Interval
from edgelstm.searching.costing import plain
from edgelstm.searching.space import Candidate


@dataclasses.dataclass(frozen=True)
class Row:
    """The largest network of one cell, precision and number of layers.

    Attributes:
        cell, precision, layers: Of the network.
        hidden_size: Units of each layer; 0 where not even one has room, and then there are no
            figures.
        binds: The limit that one unit more breaks: `time flash ram battery`; `range`: none, up to
            the most that is tried.
        reason: What one unit more needs.
        macs: Of a step.
        parameters: Stored weights and biases.
        latency_us, energy_uj, average_mw, battery_days, flash_bytes, ram_bytes: As in
            `costing.Cost`.
    """

    cell: str
    precision: str
    layers: int
    hidden_size: int
    binds: str
    reason: str
    macs: int | None = None
    parameters: int | None = None
    latency_us: Interval | None = None
    energy_uj: Interval | None = None
    average_mw: Interval | None = None
    battery_days: Interval | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None

    @property
    def candidate(self) -> Candidate:
        """Of one unit where none has room."""
        return Candidate(self.cell, max(self.hidden_size, 1), self.layers, self.precision)


@dataclasses.dataclass(frozen=True)
class More:
    """What more of one limit buys the largest network.

    Attributes:
        limit: `period`, `battery` or `device`.
        change: In words.
        hidden_size: Units that there is then room for.
        binds: The limit that then binds.
    """

    limit: str
    change: str
    hidden_size: int
    binds: str


@dataclasses.dataclass(frozen=True)
class Room:
    """What period, battery and chip leave room for.

    Attributes:
        device, input_size, outputs, period_ms, battery, min_days: As they were asked.
        sleep: How the device waits.
        end: Which end of the intervals holds the limits, `high` or `typical`.
        rows: By falling number of parameters; none where waiting alone takes the battery.
        advice: What more of each limit buys the first row.
        waiting_days: Of the battery, were nothing computed; None without a battery.
        skipped: What was not asked for by name and cannot be sized, with the reason.
        notes: What the figures rest on.
    """

    device: str
    input_size: int
    outputs: int
    period_ms: float
    battery: str | float | None
    min_days: float
    sleep: str
    end: str
    rows: tuple[Row, ...]
    advice: tuple[More, ...]
    waiting_days: Interval | None
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Row | None:
        """The largest network; None where there is room for none."""
        return self.rows[0] if self.rows and self.rows[0].hidden_size else None

    def to_dict(self) -> dict[str, Any]:
        """The object of `size --json`, without the command and the version."""
        made = vars(self) | {"waiting_days": plain(self.waiting_days)}
        made["rows"] = [{k: plain(v) for k, v in vars(row).items()} for row in self.rows]
        made["advice"] = [dict(vars(more)) for more in self.advice]
        return made | {key: list(made[key]) for key in ("skipped", "notes")}
