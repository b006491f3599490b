"""Steps that come one at a time: singly, and once a period, as a sensor sends them.

A loop flatters: called every 10 ms a step finds cold caches and a clock that has slept.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edgelstm.measurement.clocks import Clock, wall_clock
from edgelstm.measurement.results import Jitter, Paced

SINGLE_STEPS = 2_000
LEAST_CLOCK_COSTS = 100  # a step that is shorter is not told from its clock


def jitter(
    call: Callable[[], Any], cost_ns: float, most_s: float, clock: Clock = wall_clock
) -> Jitter | str:
    """2,000 steps timed singly, or as many as there is time for; or why not.

    Args:
        call: One step.
        cost_ns: Of reading the clock.
        most_s: For all of them.
        clock: Wall time.
    """
    times = np.empty(SINGLE_STEPS)
    begin = clock()
    for k in range(SINGLE_STEPS):
        start = clock()
        call()
        end = clock()
        times[k] = end - start
        if end - begin > most_s * 1e9:
            break
    times = times[: k + 1] / 1e3
    if np.median(times) * 1e3 < LEAST_CLOCK_COSTS * cost_ns:
        return (
            f"a step is below {LEAST_CLOCK_COSTS} times what reading the clock costs "
            f"({cost_ns / 1e3:.2f} us), and is not timed singly"
        )
    p50, p99 = (float(p) for p in np.percentile(times, [50, 99]))
    return Jitter(p50, p99, float(times.max()))


def paced(
    call: Callable[[], Any],
    period_ms: float,
    seconds: float,
    clock: Clock = wall_clock,
    sleep: Callable[[float], object] = time.sleep,
) -> Paced:
    """A step every period: microseconds from its begin to its end, and periods that were missed.

    A step that ends behind the begin of the next period, or begins more than a period late, misses
    it; the next one is due at the first begin that is still to come.

    Args:
        call: One step.
        period_ms: From begin to begin.
        seconds: For all of it; at least one step is made.
        clock: Wall time.
        sleep: Waits so many seconds.
    """
    times: list[float] = []
    period, missed = period_ms * 1e6, 0
    due = clock() + period
    end = due + seconds * 1e9
    while not times or due < end:
        while (now := clock()) < due:
            sleep((due - now) / 1e9)
        start = clock()
        call()
        done = clock()
        times.append((done - start) / 1e3)
        late = int((done - due) // period)
        missed += late
        due += period * (1 + late)
    p50, p99 = (float(p) for p in np.percentile(times, [50, 99]))
    return Paced(period_ms, len(times), p50, p99, max(times), missed)
