"""The clock around a batch of calls, what reading it costs, and how long a batch is."""

import statistics
import time
from collections.abc import Callable
from typing import Any

Clock = Callable[[], int]  # nanoseconds

cpu_clock: Clock = time.process_time_ns  # of all threads of this process together
wall_clock: Clock = time.perf_counter_ns

# Shorter batches meet other processes less often: at 0.3 ms the quartiles of ratios by wall time
# were those by CPU time, at 2 ms most batches were hit.
BATCH_NS = 300_000
CLOCK_COSTS = 300  # of which a batch is at least as long: the clock is then below 1 % of it
TRIES = 5
READINGS = 1_000


def clock_cost_ns(clock: Clock) -> float:
    """Of one reading: the median of many differences of two, in three groups the least."""
    return min(_cost(clock) for _ in range(3))


def _cost(clock: Clock) -> float:
    start = wall_clock()
    for _ in range(READINGS):
        clock()
    return (wall_clock() - start) / READINGS


def least_batch_ns(cost_ns: float) -> float:
    """How long a batch is, whose clock costs as much a reading."""
    return max(BATCH_NS, CLOCK_COSTS * cost_ns)


def batch_size(call: Callable[[], Any], batch_ns: float, clock: Clock = cpu_clock) -> int:
    """Calls that take `batch_ns`, by the fastest of five tries.

    One try that another process hits would say that few calls are enough.
    """
    calls = 1
    while True:
        fastest = min(_try(call, calls, clock) for _ in range(TRIES))
        if fastest > batch_ns / 3:
            return max(1, round(calls * batch_ns / fastest))
        calls *= 2


def _try(call: Callable[[], Any], calls: int, clock: Clock) -> int:
    start = clock()
    for _ in range(calls):
        call()
    return clock() - start


def settle(call: Callable[[], Any], calls: int, clock: Clock = cpu_clock, most: int = 20) -> None:
    """Runs batches until the median of 20 is not below that of the 20 before: warm."""
    before = float("inf")
    for _ in range(most):
        now = statistics.median(_try(call, calls, clock) for _ in range(20))
        if now >= before:
            return
        before = now
