"""Verdicts on rounds that were recorded on a busy machine: which copy is told apart, how often.

`tests/data/rounds.npz` holds 60 runs of a two-core virtual machine at a load of 14, 20 in each of
three kernels: per run (2, rounds, 3), CPU and wall nanoseconds of the true kernel, its copy, and
the copy slowed by 10 %. Batches were aimed at 2 ms, 5 s a run.
"""

import collections
import functools
import pathlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.cost.cycles import Interval
from edgelstm.measurement import ratios

RECORDED = pathlib.Path(__file__).parents[1] / "data/rounds.npz"
CPU, WALL = 0, 1
TRUE, COPY, SLOW = range(3)
CALLED = (ratios.SLOWER, ratios.FASTER)
KERNELS = ("int8-step-12-48", "float32-sequence-128-256", "float32-step-256-512")


@functools.cache
def runs() -> dict[str, list[NDArray[Any]]]:
    found = collections.defaultdict(list)
    with np.load(RECORDED) as file:
        for key in file.files:
            found[key.split("/")[0]].append(file[key].astype(float))
    return found


def said(times: NDArray[Any], who: int, n_rounds: int | None = None) -> str:
    """What is told of one of the copies; `n_rounds`: as if there were so many."""
    found = ratios.ratio(times[:, TRUE], times[:, who])
    return ratios.verdict(found, n_rounds or len(times))


def told(kernel: str, clock: int, who: int) -> list[str]:
    """Of the 20 runs, as if each had enough rounds."""
    return [said(run[clock], who, ratios.ENOUGH_ROUNDS) for run in runs()[kernel]]


@pytest.mark.parametrize(("kernel", "least"), [*zip(KERNELS, (18, 11, 10), strict=True)])
def test_cpu_time_tells_more_than_wall_time_and_raises_no_more_alarms(
    kernel: str, least: int
) -> None:
    assert told(kernel, CPU, SLOW).count(ratios.SLOWER) >= least
    assert told(kernel, WALL, SLOW).count(ratios.SLOWER) <= 2
    assert sum(v in CALLED for v in told(kernel, CPU, COPY)) <= 1


def test_of_sixty_true_copies_one_at_most_is_called_anything() -> None:
    every = [v for kernel in KERNELS for v in told(kernel, CPU, COPY)]
    assert len(every) == 60
    assert sum(v in CALLED for v in every) <= 1


def pooled(kernel: str, n_rounds: int, draws: int) -> list[NDArray[Any]]:
    """Rounds drawn from those of all runs, by CPU time."""
    cpu, rng = np.concatenate([run[CPU] for run in runs()[kernel]]), np.random.default_rng(0)
    replace = len(cpu) < 2 * n_rounds
    return [cpu[rng.choice(len(cpu), n_rounds, replace=replace)] for _ in range(draws)]


@pytest.mark.parametrize("kernel", KERNELS)
def test_two_hundred_rounds_tell_ten_percent_and_not_a_copy(kernel: str) -> None:
    draws = pooled(kernel, 200, 50)
    assert [said(draw, SLOW) for draw in draws].count(ratios.SLOWER) == len(draws)
    assert [said(draw, COPY) for draw in draws if said(draw, COPY) in CALLED] == []


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("n_rounds", [20, 50])
def test_few_rounds_tell_what_is_far_apart_alone(kernel: str, n_rounds: int) -> None:
    for draw in pooled(kernel, n_rounds, 30):
        assert said(draw, COPY) == said(draw, SLOW) == ratios.TOO_NOISY
        twice = ratios.ratio(draw[:, TRUE], 2 * draw[:, COPY])
        half = ratios.ratio(draw[:, TRUE], draw[:, COPY] / 2)
        assert ratios.verdict(twice, n_rounds) == ratios.SLOWER
        assert ratios.verdict(half, n_rounds) == ratios.FASTER


@pytest.mark.parametrize(
    ("interval", "n_rounds", "expected"),
    [
        ((1.031, 1.1, 1.2), 200, "slower"),
        ((1.03, 1.1, 1.2), 200, "too noisy"),
        ((0.8, 0.9, 0.969), 200, "faster"),
        ((0.97, 1.0, 1.03), 200, "same"),
        ((0.969, 1.0, 1.0), 200, "too noisy"),
        ((0.99, 1.0, 1.01), 199, "too noisy"),
        ((1.24, 1.3, 1.4), 199, "too noisy"),
        ((1.26, 1.3, 1.4), 20, "slower"),
        ((0.5, 0.6, 0.79), 20, "faster"),
        ((2.0, 2.0, 2.0), 19, "too noisy"),
    ],
)
def test_a_verdict_needs_the_whole_interval_and_enough_rounds(
    interval: tuple[float, float, float], n_rounds: int, expected: str
) -> None:
    assert ratios.verdict(Interval(*interval), n_rounds) == expected


def test_the_ratio_is_the_median_within_rounds() -> None:
    x = np.array([1.0, 10.0, 100.0])
    got = ratios.ratio(x, x * np.array([1.0, 2.0, 4.0]))
    assert (got.low, got.typical, got.high) == (1.0, 2.0, 4.0)


def test_the_interval_holds_the_median_and_narrows_with_rounds() -> None:
    values = np.random.default_rng(1).normal(1, 0.1, 400)
    few, many = ratios.interval(values[:25]), ratios.interval(values)
    # 1.96 * 1.253 * 0.1 / sqrt(400): what a median of normal values is uncertain by.
    assert many.high - many.low == pytest.approx(2 * 0.01228, rel=0.4)
    assert few.low < many.low < np.median(values) < many.high < few.high
    assert ratios.interval(np.full(9, 0.9)).low == pytest.approx(0.9)


def test_processes_that_differ_count_more_than_their_rounds() -> None:
    rng = np.random.default_rng(4)
    numbers = np.repeat(np.arange(5), 60)
    apart = np.array([-0.05, -0.02, 0.0, 0.03, 0.05])
    values = 1 + apart[numbers] + 0.01 * rng.normal(size=300)
    alone, counted = ratios.interval(values), ratios.interval(values, numbers)
    assert counted.typical == alone.typical == np.median(values)
    # A mean of five with a deviation of 4 % is uncertain by 1.96 * 0.04 / sqrt(5) either way.
    assert counted.high - counted.low == pytest.approx(0.07, rel=0.5)
    assert ratios.interval(values, np.zeros(300, np.intp)) == alone


def test_what_a_tenth_of_rounds_stays_below_is_told_of_each_process() -> None:
    values = np.array([*range(11), *range(100, 111)], float)
    assert ratios.fast(values, np.repeat([3, 7], 11)) == (1.0, 101.0)
