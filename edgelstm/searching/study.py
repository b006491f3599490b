"""What is chosen to be trained, block by block, and what is said meanwhile."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence

from edgelstm.errors import ModelError
from edgelstm.installed import CPU_WHEELS
from edgelstm.searching import fronts
from edgelstm.searching.choosing import Chooser, Values
from edgelstm.searching.conditions import Conditions
from edgelstm.searching.costing import Cost, Point, price
from edgelstm.searching.log import Entry
from edgelstm.searching.rejections import count_rejected
from edgelstm.searching.space import Candidate
from edgelstm.searching.trainings import Trainings, architecture
from edgelstm.text import counted, number
from edgelstm.training.data import CLASSES, TrainingData

Tell = Callable[[str], None]
INTERRUPTS = (KeyboardInterrupt, SystemExit)  # the command ends by the second
INSTALL = (
    f'pip install "edgelstm[search]" {CPU_WHEELS} (without that index torch brings gigabytes of '
    "CUDA)"
)


def unheard(text: str) -> None:
    """Says nothing to nobody."""


class Study:
    """What is chosen, block by block, and what came of it.

    Args:
        points: Costs.
        device: That candidates are chosen for.
        conditions: Objectives.
        data: Its kind says what is measured.
        budget, seed, block: See `search`.
    """

    def __init__(
        self,
        points: Sequence[Point],
        device: str,
        conditions: Conditions,
        data: TrainingData,
        *,
        budget: int,
        seed: int,
        block: int,
    ) -> None:
        self.points, self.device, self.conditions, self.data = points, device, conditions, data
        self.budget, self.seed, self.block = budget, seed, block
        own = [point for point in points if point.device == device]
        self.costs = {point.candidate: point.cost for point in own if point.cost.accepted}
        self.interrupted = False
        self.trained: dict[str, Candidate] = {}
        self.trials: list[tuple[str, Values | None]] = []
        if not self.costs:
            raise ModelError(f"{device} runs no candidate of the space: {_why(own)}")
        self.precisions: dict[str, list[str]] = {}
        for point in points:
            if point.cost.accepted:
                key = architecture(point.candidate)
                self.precisions.setdefault(key, []).append(point.candidate.precision)
        self.names = {candidate: architecture(candidate) for candidate in self.costs}
        self.together: dict[str, list[Candidate]] = {}
        for candidate, name in self.names.items():
            self.together.setdefault(name, []).append(candidate)
        self.covers_all = len(self.together) <= budget

    def run(self, trainings: Trainings, tell: Tell) -> None:
        """Until the budget is spent, every candidate is trained, or Ctrl-C."""
        names = self.conditions.prices
        prices = {c: [price(cost, name) for name in names] for c, cost in self.costs.items()}
        chooser = Chooser(prices, self.names, self.seed)
        most = min(self.budget, len(self.together))
        progress = Progress(self, most, tell)
        trainings.told = progress.trained
        new: list[Candidate] = []
        try:
            while len(self.trained) < most:
                new = chooser.ask(min(self.block, most - len(self.trained)))
                trainings.run(new, self.seed)
                self.trained |= {architecture(candidate): candidate for candidate in new}
                for candidate in (c for one in new for c in self.together[self.names[one]]):
                    values = self._values(trainings, candidate)
                    chooser.tell(candidate, values[0] if values else None)
                    self.trials.append((candidate.key(), values))
                progress.block()
        except INTERRUPTS:
            self.interrupted = True
            done = [c for c in new if trainings.entry(c, self.seed)]
            self.trained |= {architecture(candidate): candidate for candidate in done}

    def values(self, entry: Entry, candidate: Candidate, cost: Cost) -> Values | None:
        """How good, the larger the better, then the costs in logarithms; None: it failed."""
        if entry.reason:
            return None
        good = entry.scores[candidate.precision].value
        logs = [math.log(price(cost, name)) for name in self.conditions.prices]
        return (good if self.data.kind == CLASSES else -good, *logs)

    def _values(self, trainings: Trainings, candidate: Candidate) -> Values | None:
        entry = trainings.entry(candidate, self.seed)
        assert entry is not None, "a block is told when all of it is trained"
        return self.values(entry, candidate, self.costs[candidate])


@dataclasses.dataclass
class Progress:
    """What is said while a search runs."""

    study: Study
    most: int
    tell: Tell
    done: int = 0
    begin: float = dataclasses.field(default_factory=time.monotonic)

    def trained(self, entry: Entry) -> None:
        """A training ended."""
        self.done += 1
        left = (time.monotonic() - self.begin) / self.done * max(self.most - self.done, 0)
        failed = f", {entry.key} failed: {entry.reason}" if entry.reason else ""
        told = f"about {number(left)} s left" if self.done < self.most else "all done"
        self.tell(f"{self.done} of {counted(self.most, 'training')}, {told}{failed}")

    def block(self) -> None:
        """A block was told: the front so far."""
        study = self.study
        told = list(dict.fromkeys(values for _, values in study.trials if values))
        on = fronts.front(told, lambda values: values)
        said = f"{counted(len(on), 'point')} on the front"
        if on and study.data.kind == CLASSES:  # between 0 and the dearest candidate
            every = [price(cost, study.conditions.prices[0]) for cost in study.costs.values()]
            pairs = [(v[0], math.exp(v[1])) for v in on]
            said += f", hypervolume {number(fronts.volume(pairs, 0.0, (min(every), max(every))))}"
        self.done = max(self.done, len(self.study.trained))
        self.tell(f"{len(self.study.trained)} of {counted(self.most, 'training')}: {said}")


def _why(points: Sequence[Point]) -> str:
    """Why all are refused: how many for which reason, and one of them."""
    kinds = [f"{n} {kind}" for kind, n in count_rejected(points).items() if n]
    return f"{', '.join(kinds)}; {points[0].candidate.key()}: {points[0].cost.reason}"
