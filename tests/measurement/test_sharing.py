"""How many processes share a run, and how long each takes turns."""

import pytest

from edgelstm.measurement.sharing import share


@pytest.mark.parametrize(
    ("left_s", "opening_s", "most", "least_s", "expected"),
    [
        (12.9, 2.0, 7, 0.8, (0.98, 4)),  # a run of 20 s: 4 more are opened
        (41.0, 2.0, 7, 2.4, (27 / 8, 7)),
        (12.0, 2.0, 0, 0.8, (12.0, 0)),  # the last one has all that is left
        (12.0, 30.0, 7, 0.8, (12.0, 0)),  # a board that opens slowly
        (0.2, 0.5, 7, 0.01, (0.2, 0)),
        (-1.0, 2.0, 7, 0.8, (0.0, 0)),  # the time is over before it begins
    ],
)
def test_as_many_follow_as_can_be_opened_and_take_turns(
    left_s: float, opening_s: float, most: int, least_s: float, expected: tuple[float, int]
) -> None:
    got = share(left_s, opening_s, most, least_s)
    assert got.turns_s == pytest.approx(expected[0]) and got.following == expected[1]


@pytest.mark.parametrize("opening_s", [0.3, 1.0, 2.5])
def test_processes_that_plan_one_after_the_other_end_in_time_and_are_as_long(
    opening_s: float,
) -> None:
    left_s, most, turns = 20.0, 7, []
    while True:
        ours = share(left_s, opening_s, most, 0.8)
        turns.append(ours.turns_s)
        left_s -= ours.turns_s
        if not ours.following:
            break
        left_s, most = left_s - opening_s, most - 1
    assert left_s == pytest.approx(0, abs=1e-9) and min(turns) >= 0.8
    assert turns == pytest.approx([turns[0]] * len(turns)) and len(turns) >= 4
