"""CPU time of several calls, in turns."""

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH_SECONDS = 0.01
MOST_CALLS = 20_000


def microseconds(
    calls: Sequence[Callable[[], Any]], rounds: int, *, batch_seconds: float = BATCH_SECONDS
) -> NDArray[np.float64]:
    """(rounds, calls): CPU time of one call, all threads of the process together.

    In each round each call has a turn of about `batch_seconds`, in random order and after one more
    that is not counted.
    """
    counts = [_count(call, batch_seconds) for call in calls]
    times = np.empty((rounds, len(calls)))
    rng = np.random.default_rng(0)
    gc.collect()
    gc.disable()
    try:
        for k in range(rounds):
            for at in rng.permutation(len(calls)):
                times[k, at] = _turn(calls[at], counts[at])
    finally:
        gc.enable()
    return times


def _turn(call: Callable[[], Any], count: int) -> float:
    call()
    start = time.process_time_ns()
    for _ in range(count):
        call()
    return (time.process_time_ns() - start) / count / 1e3


def _count(call: Callable[[], Any], batch_seconds: float) -> int:
    for _ in range(3):
        call()
    start = time.perf_counter()
    call()
    seconds = max(time.perf_counter() - start, 1e-7)
    return int(min(MOST_CALLS, max(2, batch_seconds / seconds)))
