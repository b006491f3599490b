"""Joules a step from made-up meters: what they must be, and which windows are named and dropped."""

from collections.abc import Callable

import pytest

from edgelstm.measurement.energies import Measured
from edgelstm.measurement.power import windows
from edgelstm.measurement.power.csv_file import CsvFile
from edgelstm.measurement.power.rapl import Rapl
from edgelstm.measurement.power.source import Sample
from edgelstm.measurement.session import Stretch

START, IDLE_W, LOAD_W, CALLS = 2e9, 2.0, 3.0, 5_000
Change = Callable[[list[Sample]], list[Sample]]


def stretches() -> list[Stretch]:
    """Idle 30 s, five windows of 10 s, idle 30 s."""
    ends = [0.0, 30.0, *(30.0 + 10 * k for k in range(1, 6)), 110.0]
    calls = [0, *[CALLS] * 5, 0]
    pairs = zip(ends, ends[1:], calls, strict=False)
    return [Stretch(START + b, START + e, n) for b, e, n in pairs]


def signal(load_w: float = LOAD_W, *, trigger: bool = False, ripple: float = 0.001) -> list[Sample]:
    """Ten samples a second, a small ripple on all, and a domain that has half of it."""
    found = []
    for k in range(1, 1100):
        t = k / 10
        on = 30 < t <= 80
        watts = (load_w if on else IDLE_W) + ripple * (-1) ** k
        high = on and t % 10 < 9.8 if trigger else None
        time_s = t if trigger else START + t
        found.append(Sample(time_s, {"all": watts, "core": watts / 2}, high))
    return found


def measured(change: Change = lambda s: s, steps: int = 2, load_w: float = LOAD_W) -> Measured:
    return windows.measured(change(signal(load_w)), stretches(), Rapl(), steps)


def test_a_known_power_gives_known_energies_gross_and_net() -> None:
    got = measured()
    per_window = 10.0 / (CALLS * 2)
    assert got.energy_uj_per_step and got.energy_net_uj_per_step
    assert got.energy_uj_per_step.median == pytest.approx(3.0e6 * per_window, rel=1e-3)
    assert got.energy_net_uj_per_step.median == pytest.approx(1.0e6 * per_window, rel=1e-3)
    assert got.energy_reason is None and got.power_source == "rapl"
    assert got.rails and set(got.rails) == {"core"}
    core = got.rails["core"]
    assert core.energy_uj_per_step.median == pytest.approx(1.5e6 * per_window, rel=1e-3)
    assert core.energy_net_uj_per_step
    assert core.energy_net_uj_per_step.median == pytest.approx(0.5e6 * per_window, rel=2e-3)
    assert [w.discarded for w in got.windows] == [None] * 5
    assert got.windows[0].joules == pytest.approx(30.0, rel=1e-3)
    assert got.windows[0].steps == 2 * CALLS


def within(s: Sample, begin: float, end: float) -> bool:
    return begin <= s.time_s - START < end


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: [x for x in s if not within(x, 45, 47)], "a gap of 2"),
        (lambda s: [x for x in s if not within(x, 40, 50)], "does not cover"),
        (
            lambda s: [Sample(x.time_s - 1, x.watts) if within(x, 45, 45.1) else x for x in s],
            "backwards",
        ),
        (
            lambda s: [
                Sample(x.time_s, dict.fromkeys(x.watts, 0.0)) if within(x, 40.05, 50.05) else x
                for x in s
            ],
            "stood still",
        ),
    ],
    ids=["drops", "stalls", "jumps back", "stands still"],
)
def test_a_window_that_is_not_whole_is_named_and_left_out(change: Change, told: str) -> None:
    got = measured(change)
    told_of = [w.discarded for w in got.windows]
    assert [k for k, reason in enumerate(told_of) if reason] == [1]
    assert told in str(told_of[1])
    assert got.energy_uj_per_step
    assert got.energy_uj_per_step.median == pytest.approx(3000.0, rel=1e-3)


def test_without_any_whole_window_there_is_a_reason_and_no_figure() -> None:
    got = windows.measured([], stretches(), Rapl(), 1)
    assert got.energy_uj_per_step is None and "does not cover" in str(got.energy_reason)
    assert windows.measured([], [], Rapl(), 1).energy_reason == "no window was finished"


def test_what_is_not_above_idle_has_no_net() -> None:
    got = measured(load_w=IDLE_W + 1e-5)
    assert got.energy_uj_per_step and got.energy_net_uj_per_step is None
    assert "not 3 sigma above" in str(got.energy_reason)


def test_a_trigger_says_where_windows_are_whatever_the_loggers_clock() -> None:
    got = windows.measured(signal(trigger=True), stretches(), CsvFile("x.csv"), 2)
    assert [w.discarded for w in got.windows] == [None] * 5
    assert [w.seconds for w in got.windows] == pytest.approx([9.8] * 5, abs=0.11)
    assert got.energy_uj_per_step
    assert got.energy_uj_per_step.median == pytest.approx(3e6 * 9.8 / (CALLS * 2), rel=0.02)


def test_windows_are_as_long_as_slow_meters_need() -> None:
    slow = Rapl()
    slow.period_s = 0.25
    assert windows.window_s(slow) == 25.0 and windows.window_s(Rapl()) == 10.0
    assert windows.planned_s(slow, 2) == 2 * (60 + 125)
