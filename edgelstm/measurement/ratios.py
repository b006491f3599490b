"""How much slower one is than another, and whether that can be told: ratios within rounds.

On 60 recorded runs of a busy machine, where a copy that was 10 % slower took turns with two equal
ones, the median of ratios within a round told most and raised no false alarm; means, quartiles,
minima and ratios of medians told less or were wrong more often (tests/measurement/test_ratios.py).
"""

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from edgelstm.cost.cycles import Interval

Times = NDArray[np.float64]

MARGIN = 0.03  # two sessions of one network differ by their place in memory
ENOUGH_ROUNDS = 200  # 10 % were told in 100 of 100 draws, in three kernels; 50 rounds: 56 of 100
FEW_ROUNDS = 20
# With fewer rounds only what is far apart is told: 1,800 draws of 20 and 50 rounds of equal copies
# raised no false alarm; the highest low end was 1.05.
FAR_SLOWER, FAR_FASTER = 1.25, 0.8
DRAWS = 400
BEST, SLOWER, FASTER, SAME, TOO_NOISY = "best", "slower", "faster", "same", "too noisy"


def ratio(x: Times, y: Times, *, seed: int = 0, draws: int = DRAWS) -> Interval:
    """y over x: median over rounds of the ratio within a round, with its 95 % interval.

    The interval is a percentile bootstrap over rounds.

    Args:
        x, y: (rounds,), the same rounds of both.
        seed: Of the draws.
        draws: How many.

    >>> x = np.array([1.0, 1.1, 0.9])
    >>> ratio(x, 2 * x) == Interval(2.0, 2.0, 2.0)
    True
    """
    return interval(y / x, seed=seed, draws=draws)


def interval(values: Times, *, seed: int = 0, draws: int = DRAWS) -> Interval:
    """The median of one value per round, (rounds,), with its 95 % interval; see `ratio`."""
    ordered = np.sort(values)
    medians = ordered[_middles(len(ordered), seed, draws)].mean(0)
    low, high = np.percentile(medians, [2.5, 97.5])
    return Interval(float(low), float(np.median(ordered)), float(high))


@functools.lru_cache(maxsize=4)
def _middles(n: int, seed: int, draws: int) -> NDArray[np.intp]:
    """(2, draws): which of n sorted values are the two in the middle of each draw with repetition.

    Ranks say that for all values alike, so one drawing serves every ratio of a run.
    """
    drawn = np.random.default_rng(seed).integers(0, n, (draws, n))
    places = [(n - 1) // 2, n // 2]
    return np.partition(drawn, places, axis=1)[:, places].T


def verdict(found: Interval, n_rounds: int) -> str:
    """What a ratio means: `slower`, `faster`, `same` or `too noisy`.

    >>> verdict(Interval(1.04, 1.1, 1.2), 200), verdict(Interval(1.04, 1.1, 1.2), 100)
    ('slower', 'too noisy')
    """
    if n_rounds < FEW_ROUNDS:
        return TOO_NOISY
    enough = n_rounds >= ENOUGH_ROUNDS
    slower, faster = (1 + MARGIN, 1 - MARGIN) if enough else (FAR_SLOWER, FAR_FASTER)
    if found.low > slower:
        return SLOWER
    if found.high < faster:
        return FASTER
    inside = enough and found.low >= 1 - MARGIN and found.high <= 1 + MARGIN
    return SAME if inside else TOO_NOISY


@dataclasses.dataclass(frozen=True)
class Spread:
    """Median and percentiles of batch means, microseconds."""

    median: float
    p5: float
    p95: float
    p99: float


def spread(times: Times) -> Spread:
    """Of (rounds,)."""
    return Spread(*(float(p) for p in np.percentile(times, [50, 5, 95, 99])))
