"""Windows of repeated steps while a meter runs: one process repeats, this one reads the meter."""

import contextlib
import dataclasses
import os
import pathlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.measurement import session
from edgelstm.measurement.asking import Asked
from edgelstm.measurement.energies import UNMEASURED, Measured, PowerPlan
from edgelstm.measurement.entrants import Entrant
from edgelstm.measurement.job import Job, Values, Windows
from edgelstm.measurement.power import open_source, windows
from edgelstm.measurement.power.source import Sample, Source
from edgelstm.measurement.results import SEQUENCE, STEP

LOGGER_S = 30.0  # that a logger's last rows are waited for


@dataclasses.dataclass(frozen=True, eq=False)
class Metered:
    """Energies by entrant, the plan, and what ended it early."""

    energies: dict[int, Measured]
    plan: PowerPlan
    lost: str | None = None
    interrupted: bool = False


def open_power(name: str) -> tuple[Source | None, PowerPlan]:
    """The source and a plan without a duration; `ModelError` for one that cannot be read."""
    source, tried = open_source(name)
    return source, PowerPlan(source.name if source else None, None, None, tried)


def meter_fastest(
    asked: Asked,
    found: list[Entrant],
    record: session.Record,
    work: tuple[Job, dict[str, Values], pathlib.Path],
    tell: Callable[[str], None],
) -> Metered | None:
    """Energies of the fastest engine per precision, in single steps where there are some.

    Args:
        asked: Names the source, and engines if others are wanted.
        found: What took turns in the rounds of `record`.
        record: What they gave.
        work: As for `meter`.
        tell: As for `meter`.
    """
    if asked.power is None or not record.rounds or record.interrupted is not None:
        return None
    seen = {k: float(np.median(record.times(k)[0])) for k in record.keys if k < len(found)}
    modes = {found[k].mode for k in seen}
    mode = STEP if STEP in modes else SEQUENCE
    fastest: dict[tuple[str, str], int] = {}
    for k in sorted(seen, key=lambda k: -seen[k]):
        one = found[k]
        if one.mode == mode and (asked.power_engines is None or one.name in asked.power_engines):
            fastest[one.precision, one.name if asked.power_engines else ""] = k
    chosen = [(k, 1 if mode == STEP else found[k].steps) for k in sorted(fastest.values())]
    return meter(open_power(asked.power), chosen, work, tell)


def meter(
    opened: tuple[Source | None, PowerPlan],
    chosen: Sequence[tuple[int, int]],
    work: tuple[Job, dict[str, Values], pathlib.Path],
    tell: Callable[[str], None],
) -> Metered:
    """Energy of some entrants.

    Args:
        opened: From `open_power`.
        chosen: Entrants, and the steps of a call.
        work: The job of the rounds, its arrays, and the folder of its files.
        tell: What is going on.
    """
    (source, plan), (job, arrays, folder) = opened, work
    if source is None:
        told = "; ".join(f"{t.source}: {t.reason}" for t in plan.tried)
        none = dataclasses.replace(UNMEASURED, energy_reason=f"no source of power: {told}")
        return Metered(dict.fromkeys((k for k, _ in chosen), none), plan)
    seconds = windows.planned_s(source, len(chosen))
    plan = dataclasses.replace(plan, planned_seconds=seconds)
    tell(f"measuring power with {source.name}: {len(chosen)} engines, {seconds / 60:.1f} minutes")
    length = windows.window_s(source)
    asked = tuple(Windows(k, windows.IDLE_S, length, windows.N_WINDOWS) for k, _ in chosen)
    with _sampled(source, job.cpu) as meter_:
        record = session.measure(
            dataclasses.replace(job, seconds=0.0, windows=asked), arrays, folder, tell
        )
    stretches = [s for found in record.stretches.values() for s in found]
    samples, lost = _finished(source, meter_, max((s.end for s in stretches), default=0.0))
    energies = {
        k: windows.measured(
            _around(samples, record.stretches[k]), record.stretches[k], source, steps
        )
        for k, steps in chosen
        if k in record.stretches
    }
    return Metered(energies, plan, lost or record.crashed, record.interrupted is not None)


@dataclasses.dataclass
class _Meter:
    samples: list[Sample] = dataclasses.field(default_factory=list)
    lost: str | None = None


@contextlib.contextmanager
def _sampled(source: Source, cpu: int | None) -> Iterator[_Meter]:
    """Reads the source once a period, on another core than that which computes."""
    found, end = _Meter(), threading.Event()

    def poll() -> None:
        if cpu is not None and hasattr(os, "sched_setaffinity"):
            others = os.sched_getaffinity(0) - {cpu}
            if others:
                os.sched_setaffinity(0, others)
        due = time.monotonic()
        while not end.is_set():
            try:
                sample = source.read(time.time())
            except OSError as error:
                found.lost = f"{source.name} was lost: {error}"
                return
            found.samples += [sample] if sample else []
            due += source.period_s
            end.wait(max(0.0, due - time.monotonic()))

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        end.set()
        thread.join()


def _finished(source: Source, found: _Meter, last: float) -> tuple[list[Sample], str | None]:
    """All samples, with those that come when the windows are over."""
    until = time.monotonic() + LOGGER_S
    while not found.samples:
        try:
            late = source.finish()
        except ModelError as error:
            return [], str(error)
        if not late and not source.name.startswith("csv:"):
            break
        if (late and late[-1].time_s >= last) or time.monotonic() > until:
            return late, found.lost
        if late and late[-1].trigger is not None:
            return late, found.lost
        time.sleep(0.5)
    return found.samples, found.lost


def _around(samples: list[Sample], stretches: Sequence[session.Stretch]) -> list[Sample]:
    """Those of one entrant; a logger's own time is not compared."""
    if samples and samples[0].trigger is not None:
        return samples
    begin, end = min(s.begin for s in stretches), max(s.end for s in stretches)
    return [s for s in samples if begin <= s.time_s <= end]
