"""Which candidates are worth a training: those by which the front is hoped to grow most.

What each one costs is known before. How good it is, is guessed from those that were trained, by a
kernel regression over what makes candidates alike. Blocks are asked and told in order: whatever
finishes first, a search is the same on any number of workers. What the constants are worth:
`python -m benchmarks.bench_choosing`.
"""

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.searching.space import Candidate

START = 8  # candidates spread over the first price, before any is guessed
PURSES = 256  # prices at which it is asked how good a network they buy
WIDTH = 0.2  # square of the distance at which a neighbour says a third of what the same one would
UNLIKE = 0.3  # distance of two candidates with another cell, for one
HOPE = 0.03  # of the range of what was seen, for a distance of 1 from all of it
TIES = 9  # digits of a gain: what differs beyond them differs between processors
Values = tuple[float, ...]  # how good, the larger the better, then what it is weighed against


class Chooser:
    """Chooses what is trained next.

    Args:
        prices: Of each candidate that may be trained: one or more, above 0.
        names: Of what training each of them takes: candidates of one name are trained at once.
        seed: Of the first choices.
    """

    def __init__(
        self,
        prices: Mapping[Candidate, Sequence[float]],
        names: Mapping[Candidate, str],
        seed: int,
    ) -> None:
        self._candidates = sorted(prices, key=lambda c: (*prices[c], c.key()))
        self._at = {candidate: k for k, candidate in enumerate(self._candidates)}
        self._names = np.array([names[candidate] for candidate in self._candidates])
        self._places = _places(self._candidates)
        first = {candidate: prices[candidate][0] for candidate in self._candidates}
        purses = [self._at[candidate] for candidate in spread(first, seed, PURSES)]
        costs = np.array([prices[candidate] for candidate in self._candidates], np.float64)
        self._buys = np.all(costs[:, None] <= costs[purses], axis=2)
        self._start = [self._at[candidate] for candidate in spread(first, seed, START)]
        self._told: dict[int, float] = {}
        self._left = np.ones(len(self._candidates), bool)

    def ask(self, places: int) -> list[Candidate]:
        """So many candidates of names that were not asked yet; fewer where no more are left."""
        asked: list[int] = []
        while len(asked) < places and self._left.any():
            asked.append(self._next(asked))
            self._left &= self._names != self._names[asked[-1]]
        return [self._candidates[k] for k in asked]

    def tell(self, candidate: Candidate, good: float | None) -> None:
        """How good a candidate is that was trained; None: it failed, which says nothing."""
        if good is not None:
            self._told[self._at[candidate]] = good

    def _next(self, asked: Sequence[int]) -> int:
        while self._start:
            if self._left[first := self._start.pop(0)]:
                return first
        if not self._told:
            return int(np.argmax(self._left))
        gain = np.where(self._left, self._gains(asked).round(TIES), -1.0)
        return int(np.argmax(gain))

    def _gains(self, asked: Sequence[int]) -> NDArray[np.float64]:
        """By how much each would raise what purses buy, were it as good as is hoped."""
        known = list(self._told)
        away = _squares(self._places, self._places[known])
        seen = np.array(list(self._told.values()))
        seen = (seen - seen.min()) / (np.ptp(seen) or 1.0)
        near = np.exp(-away / WIDTH) + 1e-9  # far from all: their mean
        guessed = near @ seen / near.sum(axis=1)
        bought = np.zeros(self._buys.shape[1])
        for k, good in [*zip(known, seen, strict=True), *((k, guessed[k]) for k in asked)]:
            bought = np.where(self._buys[k], np.maximum(bought, good), bought)
        hoped = guessed + HOPE * np.sqrt(away.min(axis=1))
        more = np.maximum(hoped[:, None] - bought, 0.0) * self._buys
        gains: NDArray[np.float64] = more.sum(axis=1)
        return gains


def spread(costs: Mapping[Candidate, float], seed: int, n: int) -> list[Candidate]:
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


def _places(candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """A point for each: logarithms of its numbers, and an axis for each other value of a field."""
    columns = []
    for field in dataclasses.fields(Candidate):
        values: list[Any] = [getattr(candidate, field.name) for candidate in candidates]
        if all(type(value) is int for value in values):
            columns.append(np.log(values))
        else:
            for one in dict.fromkeys(values):
                columns.append(UNLIKE / math.sqrt(2) * np.array([v == one for v in values]))
    return np.stack(columns, axis=1)


def _squares(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the distances of all rows of one from all rows of the other."""
    found: NDArray[np.float64] = ((one[:, None] - other) ** 2).sum(axis=2)
    return found
