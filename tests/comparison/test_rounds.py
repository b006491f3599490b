"""Turns: who is measured how often, and in which order; times are not asserted."""

import numpy as np

from edgelstm.comparison import rounds


def test_each_round_gives_each_call_a_turn_in_another_order() -> None:
    order: list[str] = []

    def call(name: str) -> None:
        if not order or order[-1] != name:
            order.append(name)

    names = ("a", "b", "c")
    calls = [lambda name=name: call(name) for name in names]
    times = rounds.microseconds(calls, 6, batch_seconds=1e-5)
    assert times.shape == (6, 3) and (times >= 0).all() and np.isfinite(times).all()
    turns = order[len(names) :]  # behind those that count how many calls a turn takes
    assert len({tuple(turns[k : k + 3]) for k in range(0, len(turns), 3)}) > 1
    assert {turns.count(name) for name in names} <= {5, 6}  # two turns in a row are seen as one
