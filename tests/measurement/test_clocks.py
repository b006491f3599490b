"""Batches and turns, on clocks that tests turn: how many calls, who is called when, what counts."""

import gc
from collections.abc import Callable

import numpy as np
import pytest

from edgelstm.measurement import clocks, turns


class Time:
    """A clock that a call of `work` moves on."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def work(self, ns: int) -> Callable[[], None]:
        def call() -> None:
            self.now += ns

        return call


@pytest.mark.parametrize(("call_ns", "expected"), [(1_000, 300), (300_000, 1), (900_000, 1)])
def test_a_batch_has_the_calls_that_fill_it(call_ns: int, expected: int) -> None:
    time = Time()
    assert clocks.batch_size(time.work(call_ns), 300_000, time) == expected


def test_tries_that_another_process_hits_do_not_shorten_a_batch() -> None:
    time, calls = Time(), 0

    def call() -> None:
        nonlocal calls
        calls += 1
        time.now += 100 if calls % 5 == 0 else 100_000

    # Of five tries of one call each the fastest counts.
    assert clocks.batch_size(call, 300_000, time) > 3


def test_a_batch_is_as_long_as_its_clock_needs() -> None:
    assert clocks.least_batch_ns(340) == clocks.BATCH_NS
    assert clocks.least_batch_ns(2_000) == 600_000


def test_warming_ends_when_batches_get_no_faster() -> None:
    time, lengths = Time(), iter([9, 8, 7, 7, 6, 5])
    batches = 0

    def call() -> None:
        nonlocal batches
        if batches % 20 == 0:
            time.length = next(lengths)  # type: ignore[attr-defined]
        batches += 1
        time.now += time.length  # type: ignore[attr-defined]

    clocks.settle(call, 1, time)
    assert batches == 4 * 20


def test_each_round_gives_each_call_its_batch_in_another_order() -> None:
    cpu, wall, order = Time(), Time(), []
    took_us = (1, 2, 3, 20_000)

    def call(name: int) -> Callable[[], None]:
        def work() -> None:
            order.append(name)
            cpu.now += took_us[name] * 1_000
            wall.now += took_us[name] * 5_000

        return work

    counts = (1, 2, 3, 1)
    each = turns.rounds([call(k) for k in range(4)], counts, np.random.default_rng(0), (cpu, wall))
    rounds = []
    for _ in range(6):
        order.clear()
        assert next(each).tolist() == [[*took_us], [5 * us for us in took_us]]
        rounds.append(tuple(order))
    assert len(set(rounds)) > 1
    # One call more than is counted, but of a long one once it is known to be long.
    first, *later = [sorted(one) for one in rounds]
    assert first == [0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3]
    assert all(one == [0, 0, 1, 1, 1, 2, 2, 2, 2, 3] for one in later)


def test_a_call_that_computes_ten_times_as_long_is_told() -> None:
    x = np.ones(40_000)
    calls = [lambda n=n: np.add(x[:n], x[:n]) for n in (4_000, 40_000)]
    times = turns.cpu_microseconds(calls, 30)
    assert times.shape == (30, 2)
    fast, slow = np.median(times, axis=0)
    assert 0 < 2 * fast < slow


def test_the_garbage_collector_rests_meanwhile() -> None:
    with turns.no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_reading_a_clock_costs_something() -> None:
    assert clocks.clock_cost_ns(clocks.cpu_clock) > 0
