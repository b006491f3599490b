"""From samples and windows to joules a step, gross and net; a window that is not whole is named.

Gross is all that was drawn while the steps ran; net is what lies above the idle machine before and
behind. The protocol is that of MLPerf Tiny's energy mode, its lengths are chosen here.
"""

import statistics
from collections.abc import Iterable, Sequence

import numpy as np

from edgelstm.measurement.energies import Measured, RailEnergy, Spread, Trace, Window
from edgelstm.measurement.power.source import Sample, Source
from edgelstm.measurement.session import Stretch

N_WINDOWS, IDLE_S, WINDOW_S, LEAST_SAMPLES = 5, 30.0, 10.0, 100
MOST_GAP, SIGMAS = 3.0, 3.0
ALL = "all"


def window_s(source: Source) -> float:
    """Seconds of a window: 10, or 100 samples."""
    return max(WINDOW_S, LEAST_SAMPLES * source.period_s)


def planned_s(source: Source, n_engines: int) -> float:
    """Seconds that measuring so many engines takes."""
    return n_engines * (2 * IDLE_S + N_WINDOWS * window_s(source))


def triggered(samples: Sequence[Sample], stretches: Sequence[Stretch]) -> list[Stretch]:
    """Windows where the trigger is high, with the calls of those that were made, in order."""
    ends: list[tuple[float, float]] = []
    begin: float | None = None
    for sample in samples:
        if sample.trigger and begin is None:
            begin = sample.time_s
        elif not sample.trigger and begin is not None:
            ends.append((begin, sample.time_s))
            begin = None
    made = [s for s in stretches if s.calls]
    return [Stretch(b, e, w.calls) for (b, e), w in zip(ends, made, strict=False)]


def measured(
    samples: Sequence[Sample], stretches: Sequence[Stretch], source: Source, steps: int
) -> Measured:
    """Energy of a step.

    Args:
        samples: In order of time.
        stretches: Idling, windows, idling.
        source: Their source.
        steps: Of a call.
    """
    windows = [s for s in stretches if s.calls]
    idle = [x for s in stretches if not s.calls for x in _inside(samples, s)]
    if samples and samples[0].trigger is not None:
        windows = triggered(samples, stretches)
        idle = [x for x in samples if not x.trigger]
    idle_w = _median([x.watts[ALL] for x in idle])
    made, trace = [_window(samples, w, source, (idle_w, steps)) for w in windows], _trace(samples)
    kept = [(w, s) for w, s in zip(made, windows, strict=True) if w.discarded is None]
    if not kept:
        told = "; ".join(dict.fromkeys(str(w.discarded) for w in made)) or "no window was finished"
        return Measured(None, None, told, source.name, None, tuple(made), trace)
    gross = _spread([1e6 * w.joules / w.steps for w, _ in kept])
    net, reason = _net(kept, [x.watts[ALL] for x in idle], source)
    domains = [name for name in samples[0].watts if name != ALL]
    rails = {
        name: _rail(name, [s for _, s in kept], samples, (idle, steps, net is not None))
        for name in domains
    }
    return Measured(gross, net, reason, source.name, rails or None, tuple(made), trace)


def _trace(samples: Sequence[Sample]) -> Trace | None:
    if not samples:
        return None
    seconds = tuple(round(s.time_s - samples[0].time_s, 3) for s in samples)
    watts = {n: tuple(float(f"{s.watts[n]:.5g}") for s in samples) for n in samples[0].watts}
    return Trace(seconds, watts)


def _inside(samples: Iterable[Sample], stretch: Stretch) -> list[Sample]:
    """A sample is of the time before it, as the means of counters are."""
    return [s for s in samples if stretch.begin < s.time_s <= stretch.end]


def _watts(found: Sequence[Sample], name: str) -> float:
    return statistics.fmean(s.watts[name] for s in found)


def _window(
    samples: Sequence[Sample], window: Stretch, source: Source, about: tuple[float | None, int]
) -> Window:
    idle_w, steps = about
    found, seconds = _inside(samples, window), window.end - window.begin
    joules = _watts(found, ALL) * seconds if found else 0.0
    told = _discarded(found, window, source)
    begin_s = window.begin - samples[0].time_s if samples else 0.0
    return Window(begin_s, window.calls * steps, seconds, joules, idle_w, len(found), told)


def _discarded(found: Sequence[Sample], window: Stretch, source: Source) -> str | None:
    if len(found) < 2:
        return "no samples: the source does not cover the window"
    times = np.array([window.begin, *(s.time_s for s in found), window.end])
    gaps = np.diff(times)
    usual = max(source.period_s, float(np.median(gaps))) if source.name[:4] != "csv:" else 0.0
    period = usual or float(np.median(gaps[1:-1]))
    if (gaps < 0).any():
        return "time went backwards"
    if gaps.max() > MOST_GAP * period:
        return f"a gap of {gaps.max():.2g} s, more than {MOST_GAP:g} periods"
    watts = [s.watts[ALL] for s in found]
    if max(watts) <= 0:
        return "the counter stood still"
    return None


def _net(
    kept: Sequence[tuple[Window, Stretch]], idle: Sequence[float], source: Source
) -> tuple[Spread | None, str | None]:
    """Above idle; refused below 3 sigma of the idle machine."""
    if source.gross_only:
        return None, f"{source.name} changes too slowly for a difference to idle: gross alone"
    if len(idle) < 2:
        return None, "the idle machine was not sampled: gross alone"
    base, load = statistics.median(idle), statistics.median(w.joules / w.seconds for w, _ in kept)
    sigma = statistics.stdev(idle)
    if load - base < SIGMAS * sigma or load <= base:
        return (
            None,
            f"{load:.3g} W are not {SIGMAS:g} sigma above {base:.3g} W of idling: gross alone",
        )
    return _spread([1e6 * (w.joules - base * w.seconds) / w.steps for w, _ in kept]), None


def _rail(
    name: str,
    windows: Sequence[Stretch],
    samples: Sequence[Sample],
    about: tuple[Sequence[Sample], int, bool],
) -> RailEnergy:
    idle, steps, has_net = about
    base = statistics.median(s.watts[name] for s in idle) if idle else 0.0

    def energy(above: float) -> Spread:
        return _spread(
            [
                1e6 * (_watts(_inside(samples, w), name) - above) * (w.end - w.begin)
                / (w.calls * steps)
                for w in windows
            ]
        )  # fmt: skip

    return RailEnergy(energy(0.0), energy(base) if has_net else None)


def _spread(values: Sequence[float]) -> Spread:
    middle = statistics.median(values)
    return Spread(middle, statistics.median(abs(v - middle) for v in values))


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None
