"""How much a time changed from one run to another, where processes of one build differ as well.

Rounds of one process agree better than processes of one build do, as memory lies elsewhere in each
and as the host lets its core run. So what counts is how processes differ. A machine that is slow
for a while slows all it runs, but not all alike: how a row follows the loop is fitted on both runs.
"""

import functools
import math

import numpy as np
from numpy.typing import NDArray

from edgelstm.cost.cycles import Interval

Times = NDArray[np.float64]
CONFIDENCE = 0.95  # that the intervals of all rows hold, together
ANGLES = 100_000  # of a quantile's integral: its digits are right to four places


def change(before: tuple[Times, Times], after: tuple[Times, Times], n_rows: int) -> Interval:
    """Time after over time before, of a machine that is as fast in both.

    Covariance analysis of logarithms: two groups of processes, one slope for both, Student's
    interval of what is between them.

    Args:
        before, after: (processes,): the times of a row and those of the loop; four or more
            processes together.
        n_rows: That are compared at once: intervals are so wide that all hold together in 95 of
            100 comparisons (Bonferroni).
    """
    (y, x), (y_after, x_after) = np.log(before), np.log(after)
    n, m = len(y), len(y_after)
    around_x = np.concatenate([x - x.mean(), x_after - x_after.mean()])
    around_y = np.concatenate([y - y.mean(), y_after - y_after.mean()])
    spread = float(around_x @ around_x)
    slope = float(around_x @ around_y) / spread if spread else 0.0
    apart = float(x_after.mean() - x.mean())
    middle = float(y_after.mean() - y.mean()) - slope * apart
    missed, freedom = around_y - slope * around_x, n + m - 3
    variance = float(missed @ missed) / freedom
    error = math.sqrt(variance * (1 / n + 1 / m + (apart**2 / spread if spread else 0.0)))
    half = quantile(1 - (1 - CONFIDENCE) / (2 * n_rows), freedom) * error
    return Interval(*(math.exp(middle + side * half) for side in (-1, 0, 1)))


@functools.lru_cache
def quantile(share: float, freedom: int) -> float:
    """Of Student's distribution, `share` above a half; `freedom` its degrees.

    Its density by t = sqrt(freedom) tan(angle) is a power of the cosine.

    >>> round(quantile(0.975, 8), 2)
    2.31
    """
    angles = (np.arange(ANGLES) + 0.5) * (math.pi / 2 / ANGLES)
    below = np.cumsum(np.cos(angles) ** (freedom - 1))
    found = np.interp(2 * share - 1, below / below[-1], angles + math.pi / 4 / ANGLES)
    return math.sqrt(freedom) * math.tan(float(found))
