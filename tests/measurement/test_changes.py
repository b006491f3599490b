"""Changes from run to run, on processes that were recorded while other programs came and went.

`tests/data/processes.npz` holds 39 measuring processes of one build, one after the other on a
virtual machine of two cores at a load of 8 to 11: what a tenth of 60 rounds stays below, in
microseconds, of 36 rows, (processes, 36), and of the loop that computes, (processes,); and the
medians of the ratios to that loop, (processes, 36).
"""

import functools
import pathlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.cost.cycles import Interval
from edgelstm.measurement import changes

RECORDED = pathlib.Path(__file__).parents[1] / "data/processes.npz"
TOLERANCE = 0.05
ROWS = 36


@functools.cache
def recorded() -> tuple[NDArray[Any], NDArray[Any]]:
    with np.load(RECORDED) as file:
        return file["fast_us"].astype(float), file["computing_us"].astype(float)


def pairs(n: int) -> list[tuple[slice, slice]]:
    """Runs of n processes, each with the run that followed it."""
    begins = range(0, len(recorded()[1]) - 2 * n + 1)
    return [(slice(k, k + n), slice(k + n, k + 2 * n)) for k in begins]


def changed(pair: tuple[slice, slice], row: int, by: float = 1.0) -> Interval:
    times, loops = recorded()
    before, after = ((times[part, row], loops[part]) for part in pair)
    return changes.change(before, (by * after[0], after[1]), ROWS)


@pytest.mark.parametrize("n", [4, 5, 8])
def test_no_pair_of_runs_of_one_build_has_a_row_beyond_the_tolerance(n: int) -> None:
    wrong = 0
    for pair in pairs(n):
        every = [changed(pair, row) for row in range(ROWS)]
        wrong += any(c.low > 1 + TOLERANCE or c.high < 1 - TOLERANCE for c in every)
    assert wrong == 0


def test_medians_alone_would_call_a_row_in_most_pairs() -> None:
    with np.load(RECORDED) as file:
        ratios = file["ratios"]
    wrong = 0
    for a, b in pairs(5):
        moved = np.median(ratios[b], 0) / np.median(ratios[a], 0)
        wrong += bool((np.abs(moved - 1) > TOLERANCE).any())
    assert wrong > 0.9 * len(pairs(5))


@pytest.mark.parametrize("n", [4, 5, 8])
def test_a_build_that_is_ten_percent_slower_is_never_called_the_same(n: int) -> None:
    for pair in pairs(n):
        assert all(changed(pair, row, by=1.1).high > 1 + TOLERANCE for row in range(ROWS))


@pytest.mark.parametrize(("n", "least"), [(5, 0.6), (8, 0.7)])
def test_of_rows_that_are_ten_percent_slower_most_are_called_so(n: int, least: float) -> None:
    every = [changed(p, row, by=1.1).low > 1 + TOLERANCE for p in pairs(n) for row in range(ROWS)]
    assert np.mean(every) > least


def test_the_interval_is_that_of_least_squares_with_a_group_and_a_slope() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.lognormal(size=(2, 9))
    before, after = (y[:4], x[:4]), (y[4:], x[4:])
    design = np.stack([np.ones(9), np.arange(9) >= 4, np.log(x)], 1)
    found, missed, *_ = np.linalg.lstsq(design, np.log(y))
    error = np.sqrt(missed[0] / 6 * np.linalg.inv(design.T @ design)[1, 1])
    got = changes.change(before, after, n_rows=1)
    assert got.typical == pytest.approx(np.exp(found[1]))
    # 2.4469 is the 97.5 % point of 6 degrees in printed tables of Student's distribution.
    assert got.low == pytest.approx(np.exp(found[1] - 2.4469 * error), rel=1e-4)
    assert got.high == pytest.approx(np.exp(found[1] + 2.4469 * error), rel=1e-4)


def test_what_a_row_shares_with_the_loop_is_no_change() -> None:
    loop = np.array([1.0, 1.1, 1.2]), np.array([1.3, 1.4, 1.5])
    before, after = ((2 * us**-0.6, us) for us in loop)
    got = changes.change(before, after, ROWS)
    assert (got.low, got.typical, got.high) == pytest.approx((1, 1, 1))
    got = changes.change(before, (1.1 * after[0], after[1]), ROWS)
    assert (got.low, got.typical, got.high) == pytest.approx((1.1, 1.1, 1.1))


def test_a_loop_that_always_takes_as_long_says_nothing_of_the_slope() -> None:
    one = np.ones(3)
    got = changes.change((one, one), (2 * one, one), ROWS)
    assert (got.low, got.typical, got.high) == pytest.approx((2, 2, 2))


@pytest.mark.parametrize(
    ("share", "freedom", "expected"),  # of a printed table of Student's distribution
    [
        (0.975, 1, 12.706),
        (0.975, 3, 3.182),
        (0.95, 10, 1.812),
        (0.995, 5, 4.032),
        (0.9995, 7, 5.408),
        (0.9995, 120, 3.373),
    ],
)
def test_quantiles_are_those_of_printed_tables(share: float, freedom: int, expected: float) -> None:
    assert changes.quantile(share, freedom) == pytest.approx(expected, abs=6e-4)
