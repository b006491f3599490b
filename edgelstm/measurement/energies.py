"""What a meter gave: energy of a step, its windows, and which sources were tried."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Spread:
    """Of repeated windows: the median, and the median distance from it."""

    median: float
    deviation: float


@dataclasses.dataclass(frozen=True)
class RailEnergy:
    """Of one domain of power: microjoules a step, gross and above idle."""

    energy_uj_per_step: Spread
    energy_net_uj_per_step: Spread | None


@dataclasses.dataclass(frozen=True)
class Window:
    """A stretch of repeated steps with the meter running.

    Attributes:
        begin_s: After the first sample of the trace.
        discarded: None, or why.
    """

    begin_s: float
    steps: int
    seconds: float
    joules: float
    idle_watts: float | None
    samples: int
    discarded: str | None


@dataclasses.dataclass(frozen=True)
class Trace:
    """The samples: seconds after the first one, and watts by domain."""

    seconds: tuple[float, ...]
    watts: dict[str, tuple[float, ...]]


@dataclasses.dataclass(frozen=True)
class Measured:
    """Energy of an engine: what `power` gives."""

    energy_uj_per_step: Spread | None
    energy_net_uj_per_step: Spread | None
    energy_reason: str | None
    power_source: str | None
    rails: dict[str, RailEnergy] | None
    windows: tuple[Window, ...]
    trace: Trace | None = None


UNMEASURED = Measured(None, None, "not asked for: --power measures it", None, None, ())


@dataclasses.dataclass(frozen=True)
class Tried:
    """A source of power, and what it lacks; None where it was taken."""

    source: str
    reason: str | None


@dataclasses.dataclass(frozen=True)
class PowerPlan:
    """What `--power` took and planned."""

    source: str | None
    trigger: str | None
    planned_seconds: float | None
    tried: tuple[Tried, ...]
