"""What few trainings reach of a front, and what is asked."""

import math
from collections.abc import Iterator

import pytest

from benchmarks.bench_choosing import SEEDS, at_random, nsga2, own, share
from edgelstm.searching.choosing import Chooser, spread
from edgelstm.searching.fronts import front, knee, volume
from edgelstm.searching.space import Candidate, Space
from edgelstm.searching.trainings import architecture
from tests.searching.finished_points import finished

CANDIDATES = Space("lstm", range(2, 12), (1, 2), ("int8", "float32")).candidates()


@pytest.mark.filterwarnings("ignore")
def test_few_trainings_reach_most_of_the_front() -> None:
    points = finished()
    alone = [share(points, own(1), seed, 20) for seed in SEEDS]
    in_fours = [share(points, own(4), seed, 20) for seed in SEEDS]
    assert sum(alone) / len(alone) >= 0.95 and min(alone) >= 0.90
    assert sum(in_fours) / len(in_fours) >= 0.90
    for other in (at_random, nsga2):
        reached = [share(points, other, seed, 20) for seed in SEEDS]
        assert sum(reached) < sum(in_fours)


def chooser(seed: int = 0) -> Chooser:
    prices = {c: (float(c.hidden_size * c.layers), float(c.hidden_size)) for c in CANDIDATES}
    return Chooser(prices, {c: architecture(c) for c in CANDIDATES}, seed)


def trained(chooser: Chooser, block: int) -> Iterator[Candidate]:
    """All that it asks; every third one fails."""
    k = 0
    while asked := chooser.ask(block):
        assert len({architecture(c) for c in asked}) == len(asked) <= block
        for candidate in asked:
            k += 1
            chooser.tell(candidate, None if k % 3 == 0 else math.log(candidate.hidden_size))
            yield candidate


@pytest.mark.parametrize("block", [1, 4, 40])
def test_every_architecture_is_asked_once(block: int) -> None:
    asked = list(trained(chooser(), block))
    names = [architecture(candidate) for candidate in asked]
    assert sorted(names) == sorted({architecture(c) for c in CANDIDATES})
    assert asked == list(trained(chooser(), block))  # the same on every machine


def test_nothing_is_asked_for_ever_where_all_fails() -> None:
    chosen = chooser()
    while asked := chosen.ask(3):
        for candidate in asked:
            chosen.tell(candidate, None)


def test_what_is_told_draws_the_next_ones() -> None:
    """Of two cells that cost the same, the one that was better where both were tried."""
    space = Space(("gru", "lstm"), range(4, 65), (1,), ("int8",))
    prices = {c: (float(c.hidden_size),) for c in space.candidates()}
    chosen = Chooser(prices, {c: architecture(c) for c in prices}, 0)
    asked: list[Candidate] = []
    while len(asked) < 24:
        for candidate in chosen.ask(4):
            good = math.log(candidate.hidden_size) + (candidate.cell == "gru")
            chosen.tell(candidate, good)
            asked.append(candidate)
    assert sum(candidate.cell == "gru" for candidate in asked[8:]) >= 12


def test_start_points_are_spread_over_the_logarithm_of_a_cost() -> None:
    costs = {candidate: cost for candidate, (_, cost) in finished().items()}
    logs = sorted(math.log(costs[c]) for c in spread(costs, 1, 8))
    width = (math.log(max(costs.values())) - math.log(min(costs.values()))) / 8
    first = math.log(min(costs.values()))
    assert [min(int((log - first) / width), 7) for log in logs] == list(range(8))


def test_a_front_has_what_nothing_dominates() -> None:
    points = [(0.5, 1.0, 9.0), (0.6, 2.0, 1.0), (0.5, 2.0, 1.0), (0.6, 2.0, 1.0), (0.4, 3.0, 0.5)]
    got = front(points, lambda p: p)
    assert got == [(0.5, 1.0, 9.0), (0.6, 2.0, 1.0), (0.4, 3.0, 0.5)]


def test_volume_and_knee_are_those_of_hand() -> None:
    e = math.e
    pairs = [(0.5, 1.0), (0.75, e), (1.0, e**3)]
    assert volume(pairs, 0.25, (1.0, e**4)) == pytest.approx(0.25 * 1 + 0.5 * 2 + 0.75 * 1)
    assert knee(pairs, lambda p: p) == (0.75, e)
    assert knee(pairs[:1], lambda p: p) == (0.5, 1.0)
