"""Steps that come once a period, on a clock that tests turn."""

import pytest

from edgelstm.measurement.paced import jitter, paced
from edgelstm.measurement.results import Jitter
from tests.measurement.test_clocks import Time

MS = 1_000_000


def test_steps_come_at_their_times_whatever_they_take() -> None:
    time, begins = Time(), []

    def call() -> None:
        begins.append(time.now)
        time.now += 2 * MS

    def sleep(seconds: float) -> None:
        time.now += round(seconds * 1e9)

    got = paced(call, 10, 0.05, time, sleep)
    assert begins == [10 * MS * k for k in range(1, 6)]
    assert (got.steps, got.p50_us, got.max_us, got.missed) == (5, 2_000, 2_000, 0)


def test_periods_that_a_step_outlasts_are_missed_and_not_made_up() -> None:
    time, lengths, begins = Time(), iter([25, 1, 1, 1]), []

    def call() -> None:
        begins.append(time.now)
        time.now += next(lengths) * MS

    def sleep(seconds: float) -> None:
        time.now += round(seconds * 1e9)

    got = paced(call, 10, 0.05, time, sleep)
    assert begins == [10 * MS, 40 * MS, 50 * MS]
    assert (got.missed, got.max_us) == (2, 25_000)


def test_one_step_is_made_at_least() -> None:
    time = Time()
    assert paced(time.work(1), 10, 0.0, time, lambda s: time.work(round(s * 1e9))()).steps == 1


def test_single_steps_are_timed_where_the_clock_tells_them() -> None:
    time, lengths = Time(), [10_000] * 1_980 + [50_000] * 20
    steps = iter(lengths)

    def call() -> None:
        time.now += next(steps)

    assert jitter(call, 100, 60, time) == Jitter(10, pytest.approx(10.4), 50)  # type: ignore[arg-type]


def test_single_steps_below_a_hundred_clock_costs_are_not_told() -> None:
    time = Time()
    got = jitter(time.work(9_000), 100, 60, time)
    assert isinstance(got, str) and "below 100 times" in got


def test_single_steps_end_when_their_time_is_over() -> None:
    time = Time()
    assert isinstance(jitter(time.work(MS), 100, 0.01, time), Jitter)
    assert time.now == 11 * MS
