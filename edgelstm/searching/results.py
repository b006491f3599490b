"""What a search found: per device the front of accuracy over energy, and the point to take."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from edgelstm.cost.variants import middle
from edgelstm.errors import ModelError
from edgelstm.model.network import Network
from edgelstm.notebook import html_table
from edgelstm.searching import fronts
from edgelstm.searching.conditions import Conditions
from edgelstm.searching.costing import Cost, Point, plain
from edgelstm.searching.log import Entry, Log
from edgelstm.searching.rejections import count_rejected
from edgelstm.searching.space import Candidate, Space
from edgelstm.searching.working import with_weights
from edgelstm.text import number, percent
from edgelstm.training.data import CLASSES, TrainingData
from edgelstm.training.scoring import Score

SCHEMA = 1
RULES = ("knee", "cheapest", "best")
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

    @property
    def energy(self) -> float:
        """Microjoules, of a period if there is one, in the middle; infinite if not known."""
        found = self.cost.energy
        return float("inf") if found is None else middle(found)

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


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes:
        space: Filled by data and devices.
        devices: Names, the first of which is searched for.
        conditions: Period, sleep, battery, objectives, bounds.
        seed, block, budget, epochs: As asked.
        trainings: That took place in this run; what the log held is not counted.
        entries: Trainings that the search rests on, in the order told.
        digest: 12 hex digits over keys and values of all trials in order.
        points: Costs of every candidate on every device.
        fronts: Device to its front.
        chosen: By `--pick`; None with `chosen_reason` where no point can be taken.
        covers_all: Whether every candidate was trained.
        interrupted: Whether it was ended before it was done.
        data: What was trained on.
        log: Of trainings and weights.
    """

    space: Space
    devices: tuple[str, ...]
    conditions: Conditions
    seed: int
    block: int
    budget: int
    epochs: int
    trainings: int
    entries: tuple[tuple[Candidate, Entry], ...]
    digest: str
    points: Sequence[Point]
    fronts: Mapping[str, tuple[FrontPoint, ...]]
    chosen: Chosen | None
    chosen_reason: str | None
    covers_all: bool
    interrupted: bool
    data: TrainingData
    log: Log

    def front(self, device: str | None = None) -> tuple[FrontPoint, ...]:
        """The front of a device, of the first if none is named, by rising energy.

        Raises:
            ModelError: The search was not for that device.
        """
        name = device or self.devices[0]
        if name not in self.fronts:
            raise ModelError(f"no front for '{name}'; there are {', '.join(self.fronts)}")
        return self.fronts[name]

    def pick(
        self, rule: str = "knee", device: str | None = None, *, limit: float | None = None
    ) -> Chosen:
        """A point of a front.

        Args:
            rule: `knee`, `cheapest`, `best`.
            device: The first if none is named.
            limit: The least accuracy, or the largest error; None for no limit.

        Raises:
            ModelError: No point meets the limit.
        """
        name = device or self.devices[0]
        return pick(self.front(name), name, rule, kind=self.data.kind, limit=limit)

    def network(self, candidate: Candidate) -> Network:
        """The trained network of a candidate, in float32.

        Raises:
            ModelError: It was not trained.
        """
        for trained, entry in self.entries:
            same = dataclasses.replace(trained, precision=candidate.precision) == candidate
            if same and entry.reason is None:
                skeleton = candidate.network(self.space.task(last_step=self.data.last_step))
                return with_weights(skeleton, self.log.arrays(entry))
        raise ModelError(f"{candidate.key()} was not trained in this search")

    def to_dict(self) -> dict[str, Any]:
        """The object of `search --json` from `schema` to `chosen`."""
        name = name_of(self.data.kind)
        accepted = sum(point.cost.accepted for point in self.points)
        return {
            "schema": SCHEMA,
            "space": self.space.to_dict(),
            "devices": list(self.devices),
            "period_ms": self.conditions.period_ms,
            "sleep": self.conditions.sleep if self.conditions.period_ms else None,
            "seed": self.seed,
            "block": self.block,
            "budget": self.budget,
            "trainings": self.trainings,
            "trained": [row for c, e in self.entries for row in _trained(c, e, name)],
            "failed": [
                {"candidate": named(c), "reason": e.reason} for c, e in self.entries if e.reason
            ],
            "digest": self.digest,
            "accepted": accepted,
            "rejected": count_rejected(self.points),
            "points": [point.to_dict() for point in self.points],
            "fronts": [
                {"device": device, "points": [p.to_dict(self.data.kind) for p in points]}
                for device, points in self.fronts.items()
            ],
            "chosen": self.chosen and _chosen(self.chosen, name),
            "interrupted": self.interrupted,
        }

    def _repr_html_(self) -> str:
        columns = ("candidate", name_of(self.data.kind), "energy, uJ")
        return "".join(
            html_table(f"Front of {device}", columns, [_short(point) for point in points])
            for device, points in self.fronts.items()
        )


def _short(point: FrontPoint) -> tuple[str, str, str]:
    return point.candidate.key(), f"{point.score.value:.3f}", number(point.energy)


def name_of(kind: str) -> str:
    """What is measured: `accuracy`, or `rmse`."""
    return "accuracy" if kind == CLASSES else "rmse"


def named(candidate: Candidate) -> dict[str, Any]:
    """A candidate as an object: its fields and its key."""
    return {**dataclasses.asdict(candidate), "key": candidate.key()}


def interval(score: Score) -> dict[str, float]:
    """Low, typical, high."""
    return {"low": score.low, "typical": score.value, "high": score.high}


def _trained(candidate: Candidate, entry: Entry, name: str) -> list[dict[str, Any]]:
    """A row for each precision that was measured, float32 aside unless it is all."""
    asked = [p for p in entry.scores if p != "float32"] or list(entry.scores)
    return [
        {
            "candidate": named(dataclasses.replace(candidate, precision=precision)),
            name: entry.scores[precision].value,
            f"float_{name}": entry.scores["float32"].value,
            "saturation": entry.saturation[precision],
            "epochs": entry.epochs,
            "seconds": entry.seconds,
            "host": entry.host,
        }
        for precision in asked
    ]


def _chosen(chosen: Chosen, name: str) -> dict[str, Any]:
    point = chosen.point
    return {
        "candidate": named(point.candidate),
        "device": chosen.device,
        name: point.score.value,
        "energy_uj": plain(point.cost.energy_uj),
        "reason": chosen.reason,
    }


def told_apart(one: Score, other: Score) -> bool:
    """Whether two intervals do not overlap."""
    return one.high < other.low or other.high < one.low


def pick(
    points: Sequence[FrontPoint], device: str, rule: str, *, kind: str, limit: float | None = None
) -> Chosen:
    """The point by a rule, or the cheapest that is not told apart from it: see `Found.pick`."""
    if rule not in RULES:
        raise ModelError(f"pick '{rule}' is unknown; known: {', '.join(RULES)}")
    sign = 1 if kind == CLASSES else -1
    allowed = [p for p in points if limit is None or sign * p.score.value >= sign * limit]
    if not allowed:
        raise ModelError(_missed(points, device, kind, limit))

    def pair(point: FrontPoint) -> tuple[float, float]:
        return sign * point.score.value, point.energy

    if rule == "cheapest":
        first, why = min(allowed, key=lambda p: p.energy), "the cheapest"
    elif rule == "best":
        first, why = max(allowed, key=lambda p: sign * p.score.value), "the best"
    else:
        first, why = fronts.knee(allowed, pair), "the knee of the front"
    same = [p for p in allowed if p is first or not told_apart(p.score, first.score)]
    taken = min(same, key=lambda p: p.energy)
    if taken is not first:
        saved = percent(1 - taken.energy / first.energy)
        why = f"not told apart from {first.candidate.key()}, {why}, and {saved} cheaper"
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
