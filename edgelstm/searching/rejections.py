"""What is refused of a space: how much for which reason, and a bound that leaves nothing."""

from collections.abc import Iterable, Sequence

from edgelstm.cost.cycles import Interval
from edgelstm.cost.variants import middle
from edgelstm.errors import ModelError
from edgelstm.searching.conditions import ENERGY, KINDS, LATENCY, Conditions
from edgelstm.searching.costing import Point
from edgelstm.text import number


def count_rejected(points: Iterable[Point]) -> dict[str, int]:
    """Refused points by kind, every kind named: their sum and the accepted are all points."""
    found = dict.fromkeys(KINDS, 0)
    for point in points:
        if point.cost.kind:
            found[point.cost.kind] += 1
    return found


def check_reachable(points: Sequence[Point], given: Conditions) -> None:
    """`ModelError` where a bound leaves no point: which, and by how much the nearest misses."""
    if any(point.cost.accepted for point in points):
        return
    for kind, bound, unit in (("bound", ENERGY, "uJ"), ("latency", LATENCY, "us")):
        most = getattr(given, bound)
        near = [
            (middle(found), point)
            for point in points
            if point.cost.kind == kind and (found := _of(point, bound)) is not None
        ]
        if most and near:
            value, best = min(near, key=lambda pair: pair[0])
            raise ModelError(
                f"{bound} is {most:g} and no candidate meets it: the nearest, "
                f"{best.candidate.key()} on {best.device}, needs {number(value)} {unit}, "
                f"{number(value - most)} more"
            )


def _of(point: Point, bound: str) -> Interval | None:
    return point.cost.energy if bound == ENERGY else point.cost.latency_us
