"""Fronts of accuracy over a cost: which points are on one, their volume, the knee, the choice."""

import math
import operator
from collections.abc import Callable, Sequence
from typing import TypeVar

P = TypeVar("P")
Pair = tuple[float, float]  # how good, the larger the better; and its cost, above 0


def front(points: Sequence[P], values: Callable[[P], Sequence[float]]) -> list[P]:
    """Points that no other is at least as good as at no more cost, by rising first cost.

    Args:
        points: Of equal ones the first is taken.
        values: How good a point is, the larger the better, and one cost or more.

    >>> front([(0.9, 5.0), (0.8, 2.0), (0.7, 3.0), (0.9, 6.0)], lambda p: p)
    [(0.8, 2.0), (0.9, 5.0)]
    """
    found = []
    told = [(values(point)[0], *(-cost for cost in values(point)[1:])) for point in points]
    for k, (point, own) in enumerate(zip(points, told, strict=True)):
        others = (other for j, other in enumerate(told) if other != own or j < k)
        if not any(all(map(operator.ge, other, own)) for other in others):
            found.append(point)
    return sorted(found, key=lambda point: values(point)[1])


def volume(pairs: Sequence[Pair], least: float, ends: Pair) -> float:
    """Area between a front and a corner, over the logarithm of the cost.

    Args:
        pairs: Any points.
        least: How good the corner is.
        ends: The smallest and the largest cost; the corner has the largest.
    """
    area, best, at = 0.0, least, math.log(ends[0])
    for good, cost in sorted(pairs, key=lambda p: p[1]):
        area += (math.log(cost) - at) * (best - least)
        at, best = math.log(cost), max(best, good)
    return area + (math.log(ends[1]) - at) * (best - least)


def knee(points: Sequence[P], pair: Callable[[P], Pair]) -> P:
    """The point of a front that lies farthest above the straight line between its ends.

    Args:
        points: Three or more: of two neither lies above.
        pair: How good a point is, and its cost.

    >>> knee([(0.5, 1.0), (0.9, 2.0), (0.95, 8.0)], lambda p: p)
    (0.9, 2.0)
    """
    (low, first), (high, last) = pair(points[0]), pair(points[-1])
    across = math.log(last / first) or 1.0

    def above(point: P) -> float:
        good, cost = pair(point)
        return good - low - (high - low) * math.log(cost / first) / across

    return max(points, key=above)
