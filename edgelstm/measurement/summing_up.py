"""From what the measuring process said to results: medians, ratios, verdicts, predictions."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from edgelstm.cost.cycles import Interval
from edgelstm.devices.device import Device
from edgelstm.measurement import ratios
from edgelstm.measurement.energies import UNMEASURED, Measured
from edgelstm.measurement.entrants import Entrant
from edgelstm.measurement.predicting import predict
from edgelstm.measurement.results import (
    MODES,
    MOST_MEANS,
    STEP,
    Predicted,
    Process,
    ReferenceLoops,
    References,
    Result,
    Skipped,
    Timing,
)
from edgelstm.measurement.session import Record


@dataclasses.dataclass(frozen=True, eq=False)
class Context:
    """What is the same for all rows.

    Attributes:
        device: What predictions are of, or None with `no_device`, the reason.
        energies: By entrant, where a meter ran.
    """

    threads: int
    device: Device | None
    no_device: str | None
    seed: int
    energies: dict[int, Measured] = dataclasses.field(default_factory=dict)


def results(found: Sequence[Entrant], record: Record, context: Context) -> Iterator[Result]:
    """Of everything that took turns: steps before sequences, fastest first."""
    if not record.rounds:
        return
    clock = _clock(context.threads)
    for mode in MODES:
        ours = [k for k in record.keys if k < len(found) and found[k].mode == mode]
        ours.sort(
            key=lambda k: float(ratios.spread(record.times(k)[clock]).median) / _steps(found[k])
        )
        for k in ours:
            yield _result(found, (k, ours[0]), record, (context, clock))


def _clock(threads: int) -> int:
    """CPU time, or wall time of several threads: those that wait take no CPU time."""
    return 0 if threads == 1 else 1


def _steps(entrant: Entrant) -> int:
    return 1 if entrant.mode == STEP else entrant.steps


def _result(
    found: Sequence[Entrant], pair: tuple[int, int], record: Record, how: tuple[Context, int]
) -> Result:
    (k, best), (context, clock) = pair, how
    entrant, timing = found[k], _timing(record, k, _steps(found[k]), clock)
    own, fastest = record.times(k)[clock], record.times(best)[clock]
    numbers, per_step = np.array(record.processes), own / _steps(entrant)
    to_best = (
        Interval(1, 1, 1) if k == best else ratios.ratio(fastest, own, numbers, seed=context.seed)
    )
    predicted, jitter = _predicted(entrant, context), record.jitter.get(k)
    interval, median = predicted.predicted_us, timing.median_us_per_step
    references = (record.times(len(found) + n)[clock] for n in range(2))
    inside = None if interval is None else interval.low <= median <= interval.high
    return Result(
        engine=entrant.name,
        engine_version=entrant.engine.version,
        precision=entrant.precision,
        steps=entrant.steps,
        mode=entrant.mode,
        threads=context.threads,
        weight_bytes=entrant.weight_bytes,
        timing=timing,
        verdict=ratios.BEST if k == best else ratios.verdict(to_best, timing.rounds),
        ratio_to_best=to_best,
        ratio_to_reference=References(
            *(ratios.ratio(loop, per_step, numbers, seed=context.seed) for loop in references)
        ),
        paced=record.paced.get(k),
        jitter=None if isinstance(jitter, str) else jitter,
        jitter_reason=_no_jitter(entrant, jitter),
        verified=entrant.verified,
        predicted=predicted,
        predicted_inside=inside,
        energy=context.energies.get(k, UNMEASURED),
        files={entrant.path.name: entrant.digest},
    )


def _timing(record: Record, k: int, steps: int, clock: int) -> Timing:
    cpu, wall = record.times(k)
    kept, numbers = _thinned(len(wall)), np.array(record.processes)
    groups = ratios.by_process(wall[kept] / steps, numbers[kept])
    means = ratios.spread(wall / steps)
    return Timing(
        means.median,
        means.p5,
        means.p95,
        means.p99,
        samples=len(wall),
        cpu_us_per_step=ratios.spread(cpu / steps).median,
        batch=int(np.median(record.batches[k])),
        rounds=len(wall),
        means_us=tuple(tuple(float(f"{us:.4g}") for us in own) for own in groups),
        fast_us=ratios.fast((cpu, wall)[clock] / steps, numbers),
    )


def _thinned(n: int) -> ratios.Numbers:
    """At most `MOST_MEANS` of n rounds, at equal distances."""
    return np.linspace(0, n - 1, min(n, MOST_MEANS)).astype(np.intp)


def _no_jitter(entrant: Entrant, found: object) -> str | None:
    if isinstance(found, str):
        return found
    if found is None:
        return "of single steps alone" if entrant.mode != STEP else "it was ended before"
    return None


def _predicted(entrant: Entrant, context: Context) -> Predicted:
    if context.device is None:
        return Predicted(None, None, context.no_device)
    kernels = entrant.engine.kernels
    return predict(entrant.counts, entrant.steps, entrant.mode, kernels, context.device)


def reference_loops(record: Record, n: int) -> ReferenceLoops | None:
    """Medians in CPU time, behind n entrants."""
    if not record.rounds:
        return None
    return ReferenceLoops(*(ratios.spread(record.times(n + k)[0]).median for k in range(2)))


def processes(record: Record, n: int, threads: int) -> Iterator[Process]:
    """Those that took turns; n entrants stand before the loops."""
    if not record.rounds:
        return
    numbers, clock = np.array(record.processes), _clock(threads)
    loops = (ratios.fast(record.times(n + k)[clock], numbers) for k in range(2))
    every = ratios.by_process(numbers, numbers)
    for rounds, computing_us, streaming_us in zip(every, *loops, strict=True):
        yield Process(len(rounds), ReferenceLoops(computing_us, streaming_us))


def refused(found: Sequence[Entrant], record: Record) -> Iterator[Skipped]:
    """What the measuring process did not measure."""
    for k, reason in record.refused.items():
        entrant = found[k]
        yield Skipped(entrant.name, entrant.precision, entrant.mode, "skipped", reason, None)
    if record.crashed:
        at = record.opening if not record.rounds else None
        engine, precision, mode = (
            (found[at].name, found[at].precision, found[at].mode)
            if at is not None
            else ("all", None, None)
        )
        yield Skipped(engine, precision, mode, "crashed", record.crashed, None)
