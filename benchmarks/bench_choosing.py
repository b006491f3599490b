"""What share of a front's hypervolume few trainings reach: `python -m benchmarks.bench_choosing`.

Ten seeds: mean and least share after 10, 20 and 40 trainings, of what `search` uses in blocks of 1,
4 and 8, of Optuna's TPE and NSGA-II, and of random choice. On 144 finished points
(tests/data/finished_points.json), or on those of a finished search, `--log FOLDER/search.jsonl`,
costed for `--device`. Prints a Markdown table; no training takes place.
"""

import argparse
import json
import pathlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from edgelstm.devices.device import read_device
from edgelstm.searching.choosing import Chooser
from edgelstm.searching.conditions import Conditions
from edgelstm.searching.costing import cost_points, price
from edgelstm.searching.fronts import Pair, volume
from edgelstm.searching.space import Candidate, Space
from edgelstm.searching.trainings import architecture
from tests.searching.finished_points import finished

SEEDS, BUDGETS = range(10), (10, 20, 40)
Points = Mapping[Candidate, Pair]
Way = Callable[[Points, int], Iterable[Candidate]]  # candidates in the order in which it asks


def share(points: Points, way: Way, seed: int, budget: int) -> float:
    """Of the whole hypervolume, with so many trainings: what is asked again costs nothing."""
    least = min(good for good, _ in points.values())
    costs = [cost for _, cost in points.values()]
    ends = min(costs), max(costs)
    seen: dict[Candidate, Pair] = {}
    for candidate in way(points, seed):
        seen[candidate] = points[candidate]
        if len(seen) == budget:
            break
    whole = volume(list(points.values()), least, ends)
    return volume(list(seen.values()), least, ends) / whole


def own(block: int) -> Way:
    """What `search` uses."""

    def way(points: Points, seed: int) -> Iterator[Candidate]:
        prices = {candidate: (cost,) for candidate, (_, cost) in points.items()}
        chooser = Chooser(prices, {c: c.key() for c in points}, seed)
        while asked := chooser.ask(block):
            yield from asked
            for candidate in asked:
                chooser.tell(candidate, points[candidate][0])

    return way


def optuna(make: Callable[[Any, int], Any]) -> Way:
    """A sampler of Optuna as it is, on fields that differ."""

    def way(points: Points, seed: int) -> Iterator[Candidate]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            directions=["maximize", "minimize"], sampler=make(optuna.samplers, seed)
        )
        fields = {name: {getattr(c, name) for c in points} for name in vars(next(iter(points)))}
        spaces = {name: _values(v) for name, v in fields.items() if len(v) > 1}
        fixed = {name: next(iter(v)) for name, v in fields.items() if len(v) == 1}
        while True:
            trial = study.ask({name: d for name, (d, _) in spaces.items()})
            chosen = {name: spaces[name][1][k] for name, k in trial.params.items()}
            candidate = Candidate(**fixed, **chosen)
            study.tell(trial, points[candidate])
            yield candidate

    return way


def _values(values: set[Any]) -> tuple[Any, list[Any]]:
    """A distribution over places in a list: numbers have an order, names have none."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    listed = sorted(values)
    if type(listed[0]) is int:
        return IntDistribution(0, len(listed) - 1), listed
    return CategoricalDistribution(range(len(listed))), listed


nsga2 = optuna(lambda samplers, seed: samplers.NSGAIISampler(seed=seed, population_size=20))
at_random = optuna(lambda samplers, seed: samplers.RandomSampler(seed=seed))
tpe = optuna(lambda samplers, seed: samplers.TPESampler(seed=seed, multivariate=True))
WAYS: dict[str, Way] = {
    "search, one at a time": own(1),
    "search, blocks of 4": own(4),
    "search, blocks of 8": own(8),
    "TPE, one at a time": tpe,
    "NSGA-II": nsga2,
    "random": at_random,
}


def logged(path: pathlib.Path, device: str) -> Points:
    """What a search measured on validation series, and what each costs a step."""
    header, *lines = map(json.loads, path.read_text("utf-8").splitlines())
    told = header["space"]
    sizes = {name: told.pop(name) for name in ("input_size", "outputs", "steps")}
    space = Space(told.pop("cell"), told.pop("hidden"), **told, **sizes)
    scores = {line["key"]: line["scores"] for line in lines if not line["reason"]}
    points = cost_points(space.candidates(), [read_device(device)], space.task(), Conditions())
    found = {p.candidate: price(p.cost, "energy") for p in points if p.cost.accepted}
    return {
        c: (scores[architecture(c)][c.precision]["value"], cost)
        for c, cost in found.items()
        if architecture(c) in scores
    }


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=pathlib.Path)
    parser.add_argument("--device", default="stm32u575")
    given = parser.parse_args()
    points = logged(given.log, given.device) if given.log else finished()
    warnings.simplefilter("ignore")
    print(f"{len(points)} points\n\n| way | {' | '.join(f'{n} trainings' for n in BUDGETS)} |")
    print("|---" * (1 + len(BUDGETS)) + "|")
    for name, way in WAYS.items():
        cells = []
        for budget in BUDGETS:
            found = [share(points, way, seed, budget) for seed in SEEDS]
            cells.append(f"{sum(found) / len(found):.3f} ({min(found):.3f})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
