"""What was measured: plain numbers, each unit in its name; `to_dict` gives the object of `--json`.

Times are per step, medians and percentiles of batch means in wall time; ratios are of CPU time.
"""

import dataclasses
from typing import Any, ClassVar

from edgelstm.cost.cycles import Interval
from edgelstm.measurement.energies import Measured, PowerPlan
from edgelstm.measurement.plain import plain
from edgelstm.notebook import html_table
from edgelstm.text import number
from edgelstm.verification.results import Verified

SCHEMA = 2
MOST_MEANS = 100
SEQUENCE, STEP = "sequence", "step"
MODES = (STEP, SEQUENCE)  # in the order of results


@dataclasses.dataclass(frozen=True)
class Change:
    """A figure before and after; None where it is not known."""

    before: float | str | None
    after: float | str | None


@dataclasses.dataclass(frozen=True)
class Throttled:
    """What a Raspberry Pi's firmware says: what holds now, and what held since it started."""

    now: tuple[str, ...]
    since_start: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Machine:
    """Where it was measured; what is not known is None.

    Attributes:
        cpu: As the system calls it, with the instruction set that kernels are compiled for.
        board: A Raspberry Pi's model.
        interpreter_bits: Of the Python that ran.
        throttled: `Throttled` after the measurement, `throttled_before` before it.
        last_level_kib: The cache nearest to the RAM.
    """

    cpu: str | None
    board: str | None
    interpreter_bits: int
    os: str
    python: str
    versions: dict[str, str]
    governor: str | None
    frequency_mhz: Change
    temperature_c: Change
    throttled: Throttled | None
    throttled_before: Throttled | None
    load: Change
    memory_mb: Change
    last_level_kib: float | None


@dataclasses.dataclass(frozen=True)
class Paced:
    """A step every period: microseconds in wall time."""

    period_ms: float
    steps: int
    p50_us: float
    p99_us: float
    max_us: float
    missed: int


@dataclasses.dataclass(frozen=True)
class Jitter:
    """Steps in a loop, timed singly: microseconds in wall time."""

    p50_us: float
    p99_us: float
    max_us: float


@dataclasses.dataclass(frozen=True)
class References:
    """Ratios to the loops that every run measures."""

    computing: Interval
    streaming: Interval


@dataclasses.dataclass(frozen=True)
class Predicted:
    """What the profiler says of it, call included; None with the reason where it says nothing."""

    predicted_us: Interval | None
    predicted_call_us: Interval | None
    predicted_reason: str | None


@dataclasses.dataclass(frozen=True)
class Timing:
    """What rounds gave, per step; microseconds of batch means in wall time.

    Attributes:
        samples, rounds: How many means.
        cpu_us_per_step: Median in CPU time.
        batch: Calls of one mean, the median over processes.
        means_us: Of rounds at equal distances, in order, at most `MOST_MEANS`, process by process.
        fast_us: Of each process what a tenth of its rounds stays below, which compares runs; in CPU
            time, or, of several threads, in wall time.
    """

    median_us_per_step: float
    p5_us: float
    p95_us: float
    p99_us: float
    samples: int
    cpu_us_per_step: float
    batch: int
    rounds: int
    means_us: tuple[tuple[float, ...], ...]
    fast_us: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Result:
    """An engine, a precision and a mode.

    Attributes:
        mode: `step`, called one by one, or `sequence`, `steps` in a call.
        weight_bytes: Packed weights and biases, as the profiler counts them.
        verdict: Against the fastest row of the mode: `best slower faster same`, or `too noisy`.
        jitter_reason: Why there is no jitter, None where there is.
        predicted_inside: Whether the median lies in what was predicted.
        files: SHA-256 of the file that was run, by its name.
    """

    engine: str
    engine_version: str | None
    precision: str
    steps: int
    mode: str
    threads: int
    weight_bytes: int
    timing: Timing
    verdict: str
    ratio_to_best: Interval
    ratio_to_reference: References
    paced: Paced | None
    jitter: Jitter | None
    jitter_reason: str | None
    verified: Verified
    predicted: Predicted
    predicted_inside: bool | None
    energy: Measured
    files: dict[str, str]

    FLAT: ClassVar[tuple[str, ...]] = ("timing", "predicted", "energy")

    def to_dict(self) -> dict[str, Any]:
        """An object of `results`."""
        made: dict[str, Any] = plain(self)
        return made


COLUMNS = (
    *("engine", "precision", "mode", ">us per step", ">5 to 95 %", ">times the fastest"),
    *("verdict", ">predicted, us", ">alone, us"),
)


def row(result: Result) -> tuple[str, ...]:
    """Texts of `COLUMNS`; `alone`: a step that comes once a period."""
    timing, ratio, predicted = result.timing, result.ratio_to_best, result.predicted.predicted_us
    assert ratio.typical is not None
    told = "1" if result.verdict == "best" else number(ratio.typical)
    ends = "" if result.verdict == "best" else f" ({number(ratio.low)}-{number(ratio.high)})"
    inside = {True: "", False: " (not met)", None: ""}[result.predicted_inside]
    return (
        result.engine,
        result.precision,
        result.mode,
        number(timing.median_us_per_step),
        f"{number(timing.p5_us)}-{number(timing.p95_us)}",
        told + ends,
        result.verdict,
        f"{number(predicted.low)}-{number(predicted.high)}{inside}" if predicted else "-",
        number(result.paced.p50_us) if result.paced else "-",
    )


@dataclasses.dataclass(frozen=True)
class Skipped:
    """What was not timed, and why; `install`: the line that would help, or None."""

    engine: str
    precision: str | None
    mode: str | None
    status: str
    reason: str
    install: str | None


@dataclasses.dataclass(frozen=True)
class ReferenceLoops:
    """Microseconds of a call of the two loops that do not change from build to build."""

    computing_us: float
    streaming_us: float


@dataclasses.dataclass(frozen=True)
class Process:
    """One of those that measured: its rounds, and of both loops what `fast_us` is of rows."""

    rounds: int
    loops: ReferenceLoops

    FLAT: ClassVar[tuple[str, ...]] = ("loops",)


@dataclasses.dataclass(frozen=True)
class Run:
    """All of one run.

    Attributes:
        seconds: That rounds and paced steps were given.
        model_sha256: Of the model's file; None of the bundled network or a network from Python.
        results: Steps before sequences, fastest first.
        processes: Those that measured, one after the other.
        interrupted: Whether it was ended before it was done.
    """

    model: str
    model_sha256: str | None
    command: str
    version: str
    seconds: float
    seed: int
    machine: Machine
    results: tuple[Result, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    power: PowerPlan | None
    reference_loops: ReferenceLoops | None
    processes: tuple[Process, ...]
    interrupted: bool
    schema: int = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """The object of `bench --json`."""
        made: dict[str, Any] = plain(self)
        return made

    def _repr_html_(self) -> str:
        """A table for notebooks: one row per engine, precision and mode."""
        title = f"{self.model}, {self.machine.cpu or 'this machine'}"
        names = [name.lstrip(">") for name in COLUMNS]
        return html_table(title, names, [row(result) for result in self.results])
