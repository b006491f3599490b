"""Fronts of accuracy over a cost: which points are on one, their volume, the knee, the choice."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

P = TypeVar("P")
Pair = tuple[float, float]  # how good, the larger the better; and its cost, above 0


def front(points: Sequence[P], pair: Callable[[P], Pair]) -> list[P]:
    """Points that no other is at least as good as at less cost, by rising cost.

    >>> front([(0.9, 5.0), (0.8, 2.0), (0.7, 3.0), (0.9, 6.0)], lambda p: p)
    [(0.8, 2.0), (0.9, 5.0)]
    """
    found: list[P] = []
    for point in sorted(points, key=lambda p: (pair(p)[1], -pair(p)[0])):
        if not found or pair(point)[0] > pair(found[-1])[0]:
            found.append(point)
    return found


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

    >>> knee([(0.5, 1.0), (0.9, 2.0), (0.95, 8.0)], lambda p: p)
    (0.9, 2.0)
    """
    (low, first), (high, last) = pair(points[0]), pair(points[-1])
    across = math.log(last / first) or 1.0

    def above(point: P) -> float:
        good, cost = pair(point)
        return good - low - (high - low) * math.log(cost / first) / across

    return max(points, key=above)


def cheapest(points: Sequence[P], apart: Callable[[P, P], bool], chosen: P) -> P:
    """Of the points of a front that are not told apart from the chosen one, the cheapest."""
    return next(point for point in points if point is chosen or not apart(point, chosen))


