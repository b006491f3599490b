"""Turns: a batch of every call per round, in random order. Gets callables, gives arrays."""

import contextlib
import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.measurement.clocks import (
    Clock,
    batch_size,
    clock_cost_ns,
    cpu_clock,
    least_batch_ns,
    settle,
    wall_clock,
)

Times = NDArray[np.float64]
LONG_NS = 10_000_000  # a call that takes as long hardly hangs on the caches that it finds


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """The garbage collector stays off."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def rounds(
    calls: Sequence[Callable[[], Any]],
    counts: Sequence[int],
    rng: np.random.Generator,
    clocks: tuple[Clock, Clock] = (cpu_clock, wall_clock),
) -> Iterator[Times]:
    """Microseconds of one call, (2, calls), by each of two clocks; a round for each `next`.

    A turn begins with a call that is not counted: it finds the caches as the one before left them.
    With it a copy that is 10 % slower was told in 10 of 10 runs, without it in 6 (float32 LSTM
    256 -> 512, batches of ten steps). Batches of one need it most: of 150 us they took 13 % longer
    without, and whether a batch is of one or of two calls is chance. A long call does without.

    Args:
        calls: Which take turns.
        counts: How often each is called in a turn.
        rng: Chooses the order of each round.
        clocks: Of CPU time, which is read closest to the calls, and of wall time.
    """
    cpu, wall = clocks
    before = np.zeros(len(calls))
    while True:
        times = np.empty((2, len(calls)))
        for k in rng.permutation(len(calls)):
            call, count = calls[k], counts[k]
            each = range(count)
            if before[k] < LONG_NS:
                call()
            wall_start = wall()
            start = cpu()
            for _ in each:
                call()
            end = cpu()
            times[:, k] = (end - start) / count, (wall() - wall_start) / count
        before = times[0]
        yield times / 1e3


def cpu_microseconds(calls: Sequence[Callable[[], Any]], n_rounds: int) -> Times:
    """(rounds, calls): CPU time of one call, each warm and in batches as long as its clock needs.

    Args:
        calls: Which take turns, in a random order that is the same each time.
        n_rounds: How many turns each has.
    """
    batch_ns = least_batch_ns(clock_cost_ns(cpu_clock))
    counts = [batch_size(call, batch_ns) for call in calls]
    for call, count in zip(calls, counts, strict=True):
        settle(call, count)
    with no_collection():
        each = rounds(calls, counts, np.random.default_rng(0))
        return np.array([next(each)[0] for _ in range(n_rounds)])
