"""Which candidates are worth a training: proposals of Optuna, asked in blocks and told in order.

Asked and told from one process: whatever finishes first, what is told next is the next that was
asked, so a search is the same on any number of workers.
"""

import dataclasses
import math
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from edgelstm.searching.space import Candidate

MOST_ASKED = 40  # of a block: what is known already is told at once, and takes no place
START = 8  # candidates spread over energy, before the sampler chooses
# Share of trials that count as good ones: a front has many. A tenth, the library's own, reaches
# less on finished points: benchmarks/bench_choosing.py
GOOD = 0.4
Values = tuple[float, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """A proposal, and what its proposer knows it by."""

    candidate: Candidate
    token: Any


class Proposer(Protocol):
    """What proposes candidates."""

    def ask(self) -> Asked:
        """The next one; it may be one that was proposed before."""

    def propose(self, candidate: Candidate) -> None:
        """Has the next `ask` return this one."""

    def tell(self, asked: Asked, values: Values | None, refused: bool) -> None:
        """Its values, the first of which is maximised, the others minimised; None: it failed."""


class Sampler:
    """Optuna's TPE on the dimensions in which candidates differ.

    Args:
        candidates: All of them, also those that are refused.
        n_values: How many values are told.
        seed: Of the sampler.
        start: Proposed before it chooses.
    """

    def __init__(
        self, candidates: Sequence[Candidate], n_values: int, seed: int, start: Sequence[Candidate]
    ) -> None:
        import optuna

        self._values = _dimensions(candidates)
        self._spaces = {name: _distribution(values) for name, values in self._values.items()}
        self._states = optuna.trial.TrialState
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gamma goes with version 6
            sampler = optuna.samplers.TPESampler(
                seed=seed, multivariate=True, n_startup_trials=max(len(start), 1), gamma=_good
            )
        self._study = _quiet_study(["maximize"] + ["minimize"] * (n_values - 1), sampler)
        self._worst = (0.0, *[math.inf] * (n_values - 1))
        self._fixed = {name: v[0] for name, v in _every_field(candidates).items() if len(v) == 1}
        for candidate in start:
            self.propose(candidate)

    def ask(self) -> Asked:
        """See `Proposer`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is experimental in the library
            trial = self._study.ask(self._spaces)
        chosen = {name: self._values[name][k] for name, k in trial.params.items()}
        return Asked(Candidate(**self._fixed, **chosen), trial)

    def propose(self, candidate: Candidate) -> None:
        """See `Proposer`."""
        index = {name: v.index(getattr(candidate, name)) for name, v in self._values.items()}
        self._study.enqueue_trial(index)

    def tell(self, asked: Asked, values: Values | None, refused: bool) -> None:
        """See `Proposer`; what is refused is told as a constraint that does not hold."""
        if refused:
            asked.token.set_constraint("refused", 1.0)
            values = tuple(0.0 for _ in self._worst)
        if values is None:
            self._study.tell(asked.token, state=self._states.FAIL)
        else:
            self._study.tell(asked.token, values)


class Listed:
    """Every candidate in turn: where the budget covers all of them."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._left = list(candidates)

    def ask(self) -> Asked:
        """See `Proposer`."""
        return Asked(self._left.pop(0), None)

    def propose(self, candidate: Candidate) -> None:
        """See `Proposer`."""
        self._left.insert(0, candidate)

    def tell(self, asked: Asked, values: Values | None, refused: bool) -> None:
        """See `Proposer`: nothing is learned."""


@dataclasses.dataclass
class Blocks:
    """Asks blocks and tells them in order.

    Attributes:
        proposer: Of candidates.
        allowed: Which may be trained, by candidate, with what training gives it a name.
        values: What an architecture's finished training gives a candidate; None: it failed.
        seed: Of what is taken where the proposer has nothing new.
        trials: What was told, in order: key and values.
        done: Architectures that were trained in this run.
    """

    proposer: Proposer
    allowed: Mapping[Candidate, str]
    values: Callable[[Candidate], Values | None]
    seed: int
    trials: list[tuple[str, Values | None]] = dataclasses.field(default_factory=list)
    done: set[str] = dataclasses.field(default_factory=set)

    def ask(self, places: int) -> tuple[list[Asked], list[Candidate]]:
        """A block: all that is to be told of it, and at most `places` that are to be trained."""
        block: list[Asked] = []
        new: dict[str, Candidate] = {}
        left = set(self.allowed.values()) - self.done
        places = min(places, len(left))
        for _ in range(MOST_ASKED):
            if len(new) == places:
                break
            self._place(self.proposer.ask(), block, new)
        while len(new) < places:
            self.proposer.propose(self._any(left - set(new)))
            self._place(self.proposer.ask(), block, new)
        return block, list(new.values())

    def tell(self, block: Sequence[Asked]) -> None:
        """Tells a block in the order asked; what it trained is done."""
        for asked in block:
            self.done.add(self.allowed[asked.candidate])
        for asked in block:
            self._told(asked)

    def _place(self, asked: Asked, block: list[Asked], new: dict[str, Candidate]) -> None:
        """Tells what is known at once; the rest waits, and a new architecture takes a place."""
        name = self.allowed.get(asked.candidate)
        if name is None:
            self.proposer.tell(asked, None, refused=True)
            self.trials.append((asked.candidate.key(), None))
        elif name in self.done:
            self._told(asked)
        else:
            block.append(asked)
            new.setdefault(name, asked.candidate)

    def _told(self, asked: Asked) -> None:
        values = self.values(asked.candidate)
        self.proposer.tell(asked, values, refused=False)
        self.trials.append((asked.candidate.key(), values))

    def _any(self, names: set[str]) -> Candidate:
        """One of these architectures, the same on every machine."""
        rng = random.Random(f"{self.seed} {len(self.trials)}")
        return rng.choice([c for c, name in self.allowed.items() if name in names])


def spread(costs: Mapping[Candidate, float], seed: int, n: int = START) -> list[Candidate]:
    """Candidates spread over the logarithm of a cost: one of each of n stretches of it.

    Args:
        costs: Above 0.
        seed: Of the choice inside a stretch.
        n: How many, at most.
    """
    rng, order = random.Random(seed), sorted(costs, key=lambda c: (costs[c], c.key()))
    logs = [math.log(costs[candidate]) for candidate in order]
    width = (logs[-1] - logs[0]) / n or 1.0
    stretches: dict[int, list[Candidate]] = {}
    for candidate, log in zip(order, logs, strict=True):
        stretches.setdefault(min(int((log - logs[0]) / width), n - 1), []).append(candidate)
    return [rng.choice(stretches[k]) for k in sorted(stretches)]


def _good(n: int) -> int:
    return math.ceil(GOOD * n)


def _every_field(candidates: Sequence[Candidate]) -> dict[str, list[Any]]:
    """The values of each field, in the order in which they first stand."""
    names = [field.name for field in dataclasses.fields(Candidate)]
    return {name: list(dict.fromkeys(getattr(c, name) for c in candidates)) for name in names}


def _dimensions(candidates: Sequence[Candidate]) -> dict[str, list[Any]]:
    """Fields that have more than one value; sizes in their order."""
    found = {name: v for name, v in _every_field(candidates).items() if len(v) > 1}
    return {n: sorted(v) if n in ("hidden_size", "layers") else v for n, v in found.items()}


def _distribution(values: Sequence[Any]) -> Any:
    """Places in a list: numbers of sizes have an order, names have none."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if all(type(value) is int for value in values):
        return IntDistribution(0, len(values) - 1)
    return CategoricalDistribution(list(range(len(values))))


def _quiet_study(directions: Any, sampler: Any) -> Any:
    """A study in memory; what the caller's process prints is not changed."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return optuna.create_study(directions=directions, sampler=sampler)
    finally:
        optuna.logging.set_verbosity(level)
