"""What share of a front's hypervolume few trainings reach: `python -m benchmarks.bench_choosing`.

On 144 finished points (tests/data/finished_points.json), ten seeds: mean and least share after 20
and 40 trainings, of what `search` uses in blocks of 1, 4 and 8, of the library's own settings, of
NSGA-II and of random choice. Prints a Markdown table; no training takes place.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

from edgelstm.searching.choosing import Asked, Blocks, Proposer, Sampler, Values, spread
from edgelstm.searching.fronts import volume
from edgelstm.searching.space import Candidate
from tests.searching.finished_points import finished

SEEDS = range(10)
POINTS = finished()
LEAST = min(good for good, _ in POINTS.values())
ENDS = min(cost for _, cost in POINTS.values()), max(cost for _, cost in POINTS.values())
WHOLE = volume(list(POINTS.values()), LEAST, ENDS)
Made = Callable[[int], Proposer]


def values(candidate: Candidate) -> Values:
    """As a search tells them."""
    good, cost = POINTS[candidate]
    return good, math.log(cost)


def share(make: Made, seed: int, budget: int, block: int = 1) -> float:
    """Of the whole hypervolume, with so many trainings."""
    names = {candidate: candidate.key() for candidate in POINTS}
    blocks = Blocks(make(seed), names, values, seed)
    while len(blocks.done) < budget:
        asked, _ = blocks.ask(min(block, budget - len(blocks.done)))
        blocks.tell(asked)
    pairs = [POINTS[candidate] for candidate, name in names.items() if name in blocks.done]
    return volume(pairs, LEAST, ENDS) / WHOLE


def own(seed: int) -> Proposer:
    """What `search` uses."""
    costs = {candidate: cost for candidate, (_, cost) in POINTS.items()}
    return Sampler(list(POINTS), 2, seed, spread(costs, seed))


class Plain:
    """A sampler of the library as it is."""

    def __init__(self, sampler: Any) -> None:
        import optuna
        from optuna.distributions import CategoricalDistribution, IntDistribution

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        self._space: dict[str, Any] = {
            "hidden_size": IntDistribution(4, 96, step=4),
            "layers": IntDistribution(1, 3),
            "precision": CategoricalDistribution(["int8", "float32"]),
        }

    def ask(self) -> Asked:
        """The next one."""
        trial = self._study.ask(self._space)
        return Asked(Candidate(cell="lstm", **trial.params), trial)

    def propose(self, candidate: Candidate) -> None:
        """Has the next `ask` return this one."""
        names = ("hidden_size", "layers", "precision")
        self._study.enqueue_trial({name: getattr(candidate, name) for name in names})

    def tell(self, asked: Asked, values: Values | None, refused: bool) -> None:
        """Its values."""
        self._study.tell(asked.token, values)


def at_random(seed: int) -> Proposer:
    """Random choice."""
    import optuna

    return Plain(optuna.samplers.RandomSampler(seed=seed))


def nsga2(seed: int) -> Proposer:
    """NSGA-II, a population of 20."""
    import optuna

    return Plain(optuna.samplers.NSGAIISampler(seed=seed, population_size=20))


def tpe(seed: int) -> Proposer:
    """TPE with its own share of good trials, and ten random ones at first."""
    import optuna

    return Plain(optuna.samplers.TPESampler(seed=seed, multivariate=True))


WAYS: dict[str, tuple[Made, int]] = {
    "search, one at a time": (own, 1),
    "search, blocks of 4": (own, 4),
    "search, blocks of 8": (own, 8),
    "TPE as it is": (tpe, 1),
    "NSGA-II": (nsga2, 1),
    "random": (at_random, 1),
}


def main() -> None:
    """Prints the table."""
    warnings.simplefilter("ignore")
    print("| way | 20 trainings | 40 trainings |\n|---|---|---|")
    for name, (make, block) in WAYS.items():
        cells = []
        for budget in (20, 40):
            found = [share(make, seed, budget, block) for seed in SEEDS]
            cells.append(f"{sum(found) / len(found):.3f} ({min(found):.3f})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
