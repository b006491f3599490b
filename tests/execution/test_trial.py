"""The choice between a team and one thread, on made-up times."""

import itertools

import pytest

from edgelstm.execution.trial import MOST_SLOW, TURNS, Trial


def decided(alone_us: float, team_us: float) -> Trial:
    """A trial whose calls took these times, but for the first of each way."""
    trial, firsts = Trial(), {True: 1e6, False: 1e6}
    while trial.prefers_team is None:
        team = trial.wants_team
        trial.note(firsts.pop(team, team_us if team else alone_us), team=team)
    return trial


def test_calls_take_turns_until_it_is_decided() -> None:
    trial, got = Trial(), []
    while trial.prefers_team is None:
        got.append(trial.wants_team)
        trial.note(1.0, team=got[-1])
    assert got == [False, True] * (TURNS + 1)


@pytest.mark.parametrize("team_us, expected", [(5, True), (8.9, True), (9.1, False), (20, False)])
def test_a_team_stays_where_it_is_faster_by_a_margin(team_us: float, expected: bool) -> None:
    assert decided(10, team_us).wants_team is expected


def test_one_slow_call_of_either_way_decides_nothing() -> None:
    for slow in range(2 * TURNS + 2):
        trial, calls = Trial(), itertools.count()
        while trial.prefers_team is None:
            team = trial.wants_team
            us = 1e4 if next(calls) == slow else 5.0 if team else 10.0
            trial.note(us, team=team)
        assert trial.prefers_team


def test_calls_without_a_team_while_it_is_tried_count_as_one_threads() -> None:
    trial = Trial()
    for _ in range(3):
        trial.note(10, team=False)
    assert [trial.wants_team, trial.prefers_team] == [True, None]


def test_a_team_that_became_slow_is_given_up_for_good() -> None:
    trial = decided(10, 5)
    for us in [11.0] * (MOST_SLOW - 1) + [9.0] + [11.0] * (MOST_SLOW - 1):
        trial.note(us, team=True)
    assert trial.wants_team
    trial.note(11, team=True)
    assert not trial.wants_team
    trial.note(1, team=True)  # of a call that began before
    assert not trial.wants_team
