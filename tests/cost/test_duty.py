"""Average power and battery life: a worked example, both ways of waiting, clocks, bad options."""

import dataclasses
import math

import pytest

from edgelstm.cost.count_ops import count
from edgelstm.cost.cycles import Interval
from edgelstm.cost.duty import Duty, Step, Waiting, duty
from edgelstm.cost.energy import Energy, estimate
from edgelstm.devices.device import device_names, read_device
from edgelstm.errors import DeviceError
from edgelstm.model.sizes import shapes

U575 = read_device("stm32u575")
STEP = count(shapes("lstm", 40, 64), precision="int8")


def found(energy: Energy) -> Duty:
    assert energy.duty is not None
    return energy.duty


def by_sleep(duty: Duty) -> dict[str, Waiting]:
    return {waiting.sleep: waiting for waiting in duty.waiting}


def typical(interval: Interval | None) -> float:
    assert interval is not None
    assert interval.typical is not None
    return interval.typical


# LSTM 40 -> 64, own kernel, U575 at 160 MHz, every 20 ms: 43.7 k cycles, 6.75 uJ, 1.37 %, 0.36 mW
# in Stop 2 and 4.9 mW with clocks on, 56 days of a CR2032 (printed digits).
def test_worked_example_comes_out() -> None:
    energy = estimate(STEP, U575, "edgelstm", period_ms=20, battery="cr2032")
    got = found(energy)
    assert typical(energy.latency_us) * 160 == pytest.approx(43_730, rel=0.01)
    assert typical(energy.energy_uj) == pytest.approx(6.75, rel=0.01)
    assert typical(got.duty_cycle) == pytest.approx(0.0137, rel=0.01)
    ways = by_sleep(got)
    assert typical(ways["deep"].average_mw) == pytest.approx(0.361, rel=0.01)
    assert typical(ways["clocks-on"].average_mw) == pytest.approx(4.87, rel=0.01)
    assert typical(ways["deep"].life_days) == pytest.approx(56.1, rel=0.01)
    assert got.keeps_up is True
    assert ways["deep"].basis == "assumed"


def test_ends_of_the_life_are_those_of_the_power_turned_round() -> None:
    way = found(estimate(STEP, U575, "edgelstm", period_ms=20, battery=1000)).waiting[0]
    assert way.life_days is not None
    assert way.average_mw is not None
    joules = 1000 * 3.6 * 3 * 0.9 * 0.8
    assert way.life_days.low == pytest.approx(joules * 1000 / way.average_mw.high / 86400)
    assert way.life_days.high == pytest.approx(joules * 1000 / way.average_mw.low / 86400)


# MLPerf Tiny v1.3, streaming wake word: average power at the highest and at a slower clock, share
# of frames of about 32 ms that was computed there, and power while waiting with clocks on.
@pytest.mark.parametrize(
    ("device", "fast_mhz", "share", "fast_mw", "slow_mhz", "slow_mw", "wait_mw"),
    [
        ("stm32u575", 160, 0.36346, 11.474, 60, 9.521, 4.6),
        ("stm32l4r5-smps", 120, 0.56085, 25.622, 70, 22.719, 15.8),
    ],
)
def test_slow_clock_wins_with_clocks_on_by_what_was_measured(
    device: str,
    fast_mhz: float,
    share: float,
    fast_mw: float,
    slow_mhz: float,
    slow_mw: float,
    wait_mw: float,
) -> None:
    period_us = 32064
    active_uj = (fast_mw - (1 - share) * wait_mw) * period_us / 1000
    step = Step(
        Interval(*(3 * [share * period_us])), Interval(*(3 * [active_uj])), fast_mhz, "measured"
    )
    got = duty(step, read_device(device), period_ms=period_us / 1000)
    ways = by_sleep(got)
    assert got.slowest_clock_mhz == pytest.approx(slow_mhz, rel=0.03)
    assert typical(ways["clocks-on"].average_mw) == pytest.approx(fast_mw, rel=0.01)
    assert typical(ways["clocks-on"].slow_clock_average_mw) == pytest.approx(slow_mw, rel=0.02)


@pytest.mark.parametrize("period_ms", [20, 1000, 60_000])
@pytest.mark.parametrize("name", device_names())
def test_no_clock_is_below_the_known_and_no_average_below_the_stop_mode(
    name: str, period_ms: float
) -> None:
    device = read_device(name)
    got = estimate(STEP, device, period_ms=period_ms).duty
    lowest, stop = device.figure("clock.lowest_mhz"), device.figure("sleep.ua")
    if got is None:
        return
    if got.slowest_clock_mhz is not None:
        assert lowest is not None
        assert got.slowest_clock_mhz >= lowest.typical
    for way in got.waiting:
        assert (way.slow_clock_average_mw is None) or got.slowest_clock_mhz
        volts = device.figure("sleep.v")
        for average in (way.average_mw, way.slow_clock_average_mw):
            if average is not None and stop is not None and volts is not None:
                assert average.low >= 0.999 * stop.low * volts.low / 1000


def test_a_chip_without_both_figures_has_no_slow_clock() -> None:
    got = found(estimate(STEP, read_device("stm32h7a3"), period_ms=20))
    assert got.slowest_clock_mhz is None
    assert {way.slow_clock_average_mw for way in got.waiting} == {None}


def test_in_deep_sleep_a_slow_clock_does_not_help() -> None:
    deep = by_sleep(found(estimate(STEP, U575, "edgelstm", period_ms=20)))["deep"]
    gain = typical(deep.average_mw) / typical(deep.slow_clock_average_mw)
    assert 0.8 < gain < 1.0  # what does not fall with the clock is drawn for longer


def test_a_step_longer_than_the_period_does_not_keep_up() -> None:
    got = found(estimate(STEP, U575, "edgelstm", period_ms=0.1))
    assert got.keeps_up is False
    assert {way.average_mw for way in got.waiting} == {None}
    assert "does not keep up: a step takes more than 0.1 ms" in str(got.waiting[0].reason)
    assert got.slowest_clock_mhz is None


def test_an_interval_around_the_period_may_keep_up() -> None:
    energy = estimate(STEP, U575, "edgelstm", period_ms=0.273)
    got = found(energy)
    assert got.keeps_up is None
    high = got.waiting[0].average_mw
    assert high is not None
    assert energy.energy_uj is not None
    assert energy.latency_us is not None
    # It cannot compute more than all the time.
    assert high.high == pytest.approx(1000 * energy.energy_uj.high / energy.latency_us.high)


def test_sleep_that_was_asked_for_is_alone_and_unknown_ones_have_a_reason() -> None:
    got = found(estimate(STEP, U575, period_ms=20, sleep="deep"))
    assert [way.sleep for way in got.waiting] == ["deep"]
    nothing = found(estimate(STEP, read_device("efr32mg24"), period_ms=20))
    assert {way.average_mw for way in nothing.waiting} == {None}
    assert "sleep.ua, sleep.v not known" in str(nothing.waiting[0].reason)


def test_unknown_power_leaves_the_duty_cycle() -> None:
    got = found(estimate(STEP, read_device("stm32f746"), period_ms=20))
    assert got.duty_cycle.high < 1
    assert {way.reason for way in got.waiting} == {"the energy of a step is not known"}


def test_unknown_time_has_no_duty() -> None:
    assert estimate(STEP, read_device("gap9-065v"), period_ms=20).duty is None
    assert estimate(STEP, U575).duty is None


def test_pi_waits_at_its_idle_power_from_a_cell_of_its_own() -> None:
    got = found(estimate(STEP, read_device("rpi-5"), period_ms=20, battery=10_000))
    ways = by_sleep(got)
    assert typical(ways["clocks-on"].wait_mw) == 3570
    assert ways["deep"].average_mw is None
    assert got.battery is not None
    assert got.battery.volts == 3.7
    assert got.slowest_clock_mhz is None


def test_coin_cell_says_when_the_current_is_too_much_for_it() -> None:
    def said(device: str) -> bool:
        energy = estimate(STEP, read_device(device), "published", period_ms=20, battery="CR2032")
        return any("15 mA" in text for text in found(energy).assumed)

    assert said("stm32h7a3")
    assert not said("stm32u575")


@pytest.mark.parametrize("name", device_names())
def test_figures_are_ordered_or_have_a_reason(name: str) -> None:
    got = estimate(STEP, read_device(name), period_ms=20, battery="cr2032").duty
    for way in got.waiting if got else ():
        assert (way.average_mw is None) == (way.reason is not None)
        for interval in (way.average_mw, way.life_days):
            if interval is not None:
                ends = [v for v in dataclasses.astuple(interval) if v is not None]
                assert 0 < ends[0] <= ends[-1] < math.inf
                assert ends == sorted(ends)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sleep": "deep"}, "need period_ms"),
        ({"battery": "cr2032"}, "need period_ms"),
        ({"period_ms": 0}, "period_ms is 0"),
        ({"period_ms": math.nan}, "period_ms is nan"),
        ({"period_ms": 20, "sleep": "light"}, "sleep 'light' is unknown; known: deep, clocks-on"),
        ({"period_ms": 20, "battery": "aa"}, "battery is 'aa'; cr2032, or its charge"),
        ({"period_ms": 20, "battery": -3}, "battery is '-3'"),
        ({"period_ms": 20, "battery": "inf"}, "battery is 'inf'"),
    ],
)
def test_unusable_options_are_named(options: dict[str, float | str], said: str) -> None:
    with pytest.raises(DeviceError, match=said):
        estimate(STEP, U575, **options)  # type: ignore[arg-type]
