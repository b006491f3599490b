"""What a search found: per device the front of accuracy over energy, and the point to take."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.model.network import Network
from edgelstm.notebook import html_table
from edgelstm.searching.conditions import Conditions
from edgelstm.searching.costing import Point, plain, price
from edgelstm.searching.log import Entry, Log
from edgelstm.searching.picking import PRICES, Chosen, FrontPoint, name_of, named, pick
from edgelstm.searching.rejections import count_rejected
from edgelstm.searching.space import Candidate, Space
from edgelstm.searching.working import with_weights
from edgelstm.text import number
from edgelstm.training.data import TrainingData

SCHEMA = 1


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
        name, by = device or self.devices[0], self.conditions.prices[0]
        return pick(self.front(name), name, rule, kind=self.data.kind, by=by, limit=limit)

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
        by = self.conditions.prices[0]
        columns = ("candidate", name_of(self.data.kind), PRICES[by])
        return "".join(
            html_table(f"Front of {device}", columns, [_short(point, by) for point in points])
            for device, points in self.fronts.items()
        )


def _short(point: FrontPoint, by: str) -> tuple[str, str, str]:
    return point.candidate.key(), f"{point.score.value:.3f}", number(price(point.cost, by))


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
