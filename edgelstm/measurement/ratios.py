"""How much slower one is than another, and whether that can be told: ratios within rounds.

On 60 recorded runs of a busy machine, where a copy that was 10 % slower took turns with two equal
ones, the median of ratios within a round told most and raised no false alarm; means, quartiles,
minima and ratios of medians told less or were wrong more often (tests/measurement/test_ratios.py).

Processes of one build differ more than the rounds of one. 64 measured 36 rows; of five of them, 60
rounds each, 95 % intervals held the ratio of all 64 in 67 % of 144 draws where rounds alone were
drawn again, and in 93 % where processes were, and then rounds.
"""

import dataclasses
import functools
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgelstm.cost.cycles import Interval

Times = NDArray[np.float64]
Numbers = NDArray[np.intp]
T = TypeVar("T", bound=np.generic)

MARGIN = 0.03  # two sessions of one network differ by their place in memory
ENOUGH_ROUNDS = 200  # 10 % were told in 100 of 100 draws, in three kernels; 50 rounds: 56 of 100
FEW_ROUNDS = 20
FAST = 0.1  # share of rounds
# With fewer rounds only what is far apart is told: 1,800 draws of 20 and 50 rounds of equal copies
# raised no false alarm; the highest low end was 1.05.
FAR_SLOWER, FAR_FASTER = 1.25, 0.8
DRAWS = 400
BEST, SLOWER, FASTER, SAME, TOO_NOISY = "best", "slower", "faster", "same", "too noisy"


def ratio(
    x: Times, y: Times, processes: Numbers | None = None, *, seed: int = 0, draws: int = DRAWS
) -> Interval:
    """y over x: median over rounds of the ratio within a round, with its 95 % interval.

    The interval is a percentile bootstrap over processes, and over the rounds of each.

    Args:
        x, y: (rounds,), the same rounds of both.
        processes: (rounds,), the number of each round's process; None: one process had all.
        seed: Of the draws.
        draws: How many.

    >>> x = np.array([1.0, 1.1, 0.9])
    >>> ratio(x, 2 * x) == Interval(2.0, 2.0, 2.0)
    True
    """
    return interval(y / x, processes, seed=seed, draws=draws)


def interval(
    values: Times, processes: Numbers | None = None, *, seed: int = 0, draws: int = DRAWS
) -> Interval:
    """The median of one value per round, (rounds,), with its 95 % interval; see `ratio`."""
    groups = by_process(values, processes)
    drawn = np.concatenate(groups)[_draws(tuple(map(len, groups)), seed, draws)]
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return Interval(float(low), float(np.median(values)), float(high))


def by_process(values: NDArray[T], processes: Numbers | None) -> list[NDArray[T]]:
    """The values of each process, in order."""
    if processes is None:
        return [values]
    return [values[processes == number] for number in np.unique(processes)]


def fast(values: Times, processes: Numbers) -> tuple[float, ...]:
    """What a tenth of a process's rounds stays below, for each; other work hardly reaches it."""
    return tuple(float(np.quantile(own, FAST)) for own in by_process(values, processes))


@functools.lru_cache(maxsize=4)
def _draws(sizes: tuple[int, ...], seed: int, draws: int) -> NDArray[np.intp]:
    """(draws, rounds): processes with repetition, as many rounds of each, with repetition too.

    Args:
        sizes: Rounds of each process, which lie one process behind the other.
        seed, draws: As of `ratio`.
    """
    rng, n = np.random.default_rng(seed), len(sizes)
    begins = np.cumsum([0, *sizes[:-1]])
    chosen = rng.integers(0, n, (draws, n, 1))
    rounds = rng.integers(0, np.array(sizes)[chosen], (draws, n, -(-sum(sizes) // n)))
    drawn: NDArray[np.intp] = (begins[chosen] + rounds).reshape(draws, -1)
    return drawn


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
