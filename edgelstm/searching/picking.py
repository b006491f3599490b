"""Points of a front, and which of them to take."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.searching import fronts
from edgelstm.searching.costing import Cost, plain, price
from edgelstm.searching.space import Candidate
from edgelstm.text import percent
from edgelstm.training.data import CLASSES
from edgelstm.training.scoring import Score

RULES = ("knee", "cheapest", "best")
# Names in `Conditions.prices`, as tables say them.
PRICES = {
    "energy": "energy, uJ",
    "latency": "time, us",
    "flash": "flash, B",
    "ram": "RAM, B",
    "macs": "MACs",
}
# Of `FrontPoint.to_dict`, as costs have them.
COSTS = (
    *("energy_uj", "energy_period_uj", "average_mw", "latency_us"),
    *("flash_bytes", "ram_bytes", "battery_days"),
)


@dataclasses.dataclass(frozen=True)
class FrontPoint:
    """A trained candidate on a front.

    Attributes:
        candidate: With the precision that was measured.
        cost: On the front's device.
        score: Of the network as the device computes it, on validation series.
        float_score: The same of the float network.
        saturation: Largest share of a gate's sums that left their range.
        told_apart_from_next: Whether its interval and that of the next dearer point do not overlap;
            None for the last.
        test: On test series; None without them.
        repeats: The score with each seed that it was trained with, the first one first.
    """

    candidate: Candidate
    cost: Cost
    score: Score
    float_score: Score
    saturation: float
    told_apart_from_next: bool | None = None
    test: float | None = None
    repeats: tuple[float, ...] = ()

    def to_dict(self, kind: str) -> dict[str, Any]:
        """An object of `fronts[].points`; `kind` is that of the data."""
        name = name_of(kind)
        return {
            "candidate": named(self.candidate),
            name: self.score.value,
            f"{name}_interval": interval(self.score),
            f"float_{name}": self.float_score.value,
            "saturation": self.saturation,
            **{key: plain(getattr(self.cost, key)) for key in COSTS},
            "told_apart_from_next": self.told_apart_from_next,
            f"test_{name}": self.test,
            "repeats": list(self.repeats),
        }


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The point to take, where it runs, and why it is that one."""

    point: FrontPoint
    device: str
    reason: str


def name_of(kind: str) -> str:
    """What is measured: `accuracy`, or `rmse`."""
    return "accuracy" if kind == CLASSES else "rmse"


def named(candidate: Candidate) -> dict[str, Any]:
    """A candidate as an object: its fields and its key."""
    return {**dataclasses.asdict(candidate), "key": candidate.key()}


def interval(score: Score) -> dict[str, float]:
    """Low, typical, high."""
    return {"low": score.low, "typical": score.value, "high": score.high}


def told_apart(one: Score, other: Score) -> bool:
    """Whether two intervals do not overlap."""
    return one.high < other.low or other.high < one.low


def pick(
    points: Sequence[FrontPoint],
    device: str,
    rule: str,
    *,
    kind: str,
    by: str = "energy",
    limit: float | None = None,
) -> Chosen:
    """The point by a rule, or the cheapest that is not told apart from it: see `Found.pick`.

    Args:
        points: A front.
        device: Where it runs.
        rule: Of `RULES`; the knee of fewer than three points is the best.
        kind: Of the data.
        by: What cheap means, a name of `Conditions.prices`.
        limit: See `Found.pick`.
    """
    if rule not in RULES:
        raise ModelError(f"pick '{rule}' is unknown; known: {', '.join(RULES)}")
    sign = 1 if kind == CLASSES else -1
    allowed = [p for p in points if limit is None or sign * p.score.value >= sign * limit]
    if not allowed:
        raise ModelError(_missed(points, device, kind, limit))

    def pair(point: FrontPoint) -> tuple[float, float]:
        return sign * point.score.value, price(point.cost, by)

    if rule == "cheapest":
        first, why = min(allowed, key=lambda p: pair(p)[1]), "the cheapest"
    elif rule == "best" or len(allowed) < 3:
        first, why = max(allowed, key=lambda p: pair(p)[0]), "the best"
    else:
        first, why = fronts.knee(allowed, pair), "the knee of the front"
    same = [p for p in allowed if p is first or not told_apart(p.score, first.score)]
    taken = min(same, key=lambda p: pair(p)[1])
    if taken is not first:
        saved = percent(1 - pair(taken)[1] / pair(first)[1])
        values = f"{name_of(kind)} {taken.score.value:.3g} to {first.score.value:.3g}"
        what, key = PRICES[by].partition(",")[0], first.candidate.key()
        why = f"not told apart from {key}, {why} ({values}), and {saved} less {what}"
    return Chosen(taken, device, why)


def _missed(points: Sequence[FrontPoint], device: str, kind: str, limit: float | None) -> str:
    """Why no point can be taken."""
    if not points or limit is None:
        return f"no front for {device}: nothing was trained that it runs"
    best = (max if kind == CLASSES else min)(points, key=lambda p: p.score.value)
    name, value = name_of(kind), best.score.value
    return (
        f"no trained candidate meets the {name} of {limit:g}: the nearest, {best.candidate.key()}, "
        f"has {value:.4g}, {abs(value - limit):.2g} away"
    )
