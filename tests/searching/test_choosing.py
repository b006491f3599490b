"""What few trainings reach of a front, and the rules of asking and telling."""

import math

import pytest

from benchmarks.bench_choosing import SEEDS, at_random, nsga2, own, share
from edgelstm.searching.choosing import MOST_ASKED, Asked, Blocks, Listed, Sampler, Values, spread
from edgelstm.searching.fronts import front, knee, volume
from edgelstm.searching.space import Candidate, Space
from tests.searching.finished_points import finished

CANDIDATES = Space("lstm", range(2, 12), (1, 2), ("int8", "float32")).candidates()


@pytest.mark.filterwarnings("ignore")
def test_few_trainings_reach_most_of_the_front() -> None:
    alone = [share(own, seed, 20) for seed in SEEDS]
    in_fours = [share(own, seed, 20, block=4) for seed in SEEDS]
    assert sum(alone) / len(alone) >= 0.95 and min(alone) >= 0.90
    assert sum(in_fours) / len(in_fours) >= 0.90
    for other in (at_random, nsga2):
        reached = [share(other, seed, 20) for seed in SEEDS]
        assert sum(reached) < sum(in_fours)


def values(candidate: Candidate) -> Values | None:
    return candidate.hidden_size / 100, math.log(candidate.hidden_size)


def blocks_of(seed: int = 0, start: int = 4) -> Blocks:
    costs = {c: float(c.hidden_size * c.layers) for c in CANDIDATES}
    sampler = Sampler(CANDIDATES, 2, seed, spread(costs, seed, start))
    names = {c: f"{c.hidden_size}x{c.layers}" for c in CANDIDATES if c.hidden_size != 5}
    return Blocks(sampler, names, values, seed)


def test_a_block_has_so_many_new_architectures_and_is_told_in_order() -> None:
    blocks = blocks_of()
    seen: set[str] = set()
    while len(blocks.done) < 18:  # all that is allowed
        block, new = blocks.ask(4)
        names = [blocks.allowed[candidate] for candidate in new]
        assert len(set(names)) == len(names) <= 4 and not seen & set(names)
        begin = len(blocks.trials)
        blocks.tell(block)
        assert [key for key, _ in blocks.trials[begin:]] == [a.candidate.key() for a in block]
        seen |= set(names)
    assert seen == set(blocks.allowed.values())


def test_what_is_refused_is_told_and_never_trained() -> None:
    blocks = blocks_of()
    while len(blocks.done) < 18:
        blocks.tell(blocks.ask(4)[0])
    refused = [key for key, _ in blocks.trials if "-5x" in key]
    assert refused and all(v is None for key, v in blocks.trials if key in refused)
    assert not any(name.startswith("5x") for name in blocks.done)


class Stubborn:
    """Proposes the same candidate for ever, unless it is told to propose another."""

    def __init__(self) -> None:
        self.next, self.asked = [CANDIDATES[0]], 0

    def ask(self) -> Asked:
        self.asked += 1
        return Asked(self.next.pop() if len(self.next) > 1 else self.next[0], None)

    def propose(self, candidate: Candidate) -> None:
        self.next.append(candidate)

    def tell(self, asked: Asked, values: Values | None, refused: bool) -> None:
        """Learns nothing."""


def test_a_sampler_that_knows_nothing_new_is_asked_forty_times() -> None:
    stubborn = Stubborn()
    blocks = Blocks(stubborn, {c: c.key() for c in CANDIDATES}, values, 0)
    block, new = blocks.ask(3)
    assert len(new) == 3 and stubborn.asked == MOST_ASKED + 2
    assert blocks.ask(3)[1] == new  # the same on every machine, as nothing was told since


def test_listed_gives_each_once() -> None:
    blocks = Blocks(Listed(CANDIDATES), {c: c.key() for c in CANDIDATES}, values, 0)
    new = [c for _ in range(10) for c in _told(blocks, 4)]
    assert new == list(CANDIDATES)


def _told(blocks: Blocks, places: int) -> list[Candidate]:
    block, new = blocks.ask(places)
    blocks.tell(block)
    return new


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
