"""Time of a Raspberry Pi: the call, the products, cores that share a step, RAM that limits it."""

import pytest

from edgelstm.cost.boards import board_time, roofline
from edgelstm.cost.count_ops import count
from edgelstm.cost.energy import estimate
from edgelstm.devices.device import read_device
from edgelstm.model.sizes import shapes
from tests.cost.test_energy import known, with_figure

PI5, PI3 = read_device("rpi-5"), read_device("rpi-3b-plus")
SMALL = count(shapes("lstm", 40, 64), precision="int8")
LARGE = count(shapes("lstm", 640, 640), precision="int8")  # 3.3 MB against 0.7 of 2 MiB
HYBRID = count(shapes("lstm", 40, 64), precision="hybrid")


def test_the_call_is_part_of_the_interval_and_the_products_are_within_a_factor_of_2() -> None:
    low, typical, high = known(estimate(SMALL, PI5, "edgelstm").latency_us)
    computing = 26624 / (8 * 2400)
    assert (low, typical, high) == pytest.approx(
        (10 + computing / 2, 20 + computing, 40 + 2 * computing)
    )


# A Session.step of a network of this size took 9.0 us on a server's core, 24 us called every 10 ms.
def test_a_small_network_is_no_longer_promised_in_a_microsecond() -> None:
    gru = count(shapes("gru", 12, 32), precision="int8")
    low, _, high = known(estimate(gru, read_device("rpi-4b"), "edgelstm").latency_us)
    assert low > 9.0
    assert high > 24


def test_a_calibrated_call_takes_the_place_of_the_assumed_one() -> None:
    device = with_figure(PI5, "speed.call_us_step", 7, 8, 9)
    assert board_time(SMALL, device, "edgelstm", 2400, 1).call_us.typical == 8


def test_the_pi_draws_what_one_core_draws_above_its_idle_power() -> None:
    got = estimate(SMALL, PI5, "edgelstm")
    microseconds = known(got.latency_us)[1]
    assert known(got.energy_uj)[1] == pytest.approx(4.48 * microseconds)
    assert known(got.energy_net_uj)[1] == pytest.approx((4.48 - 3.57) * microseconds)
    assert got.basis == "assumed"
    assert "uncalibrated" in got.notes[0]


def test_weights_that_miss_the_cache_are_read_from_ram() -> None:
    got = estimate(LARGE, PI5, "edgelstm")
    microseconds = (4 * 640 * 1280 + 4 * 2560) / 14205 + 20
    assert known(got.latency_us)[1] == pytest.approx(microseconds)
    assert known(got.energy_uj)[1] == pytest.approx(5.57 * microseconds)
    assert roofline(LARGE, PI5, "edgelstm", 2400).limit == "RAM"


def test_a_pi_without_a_figure_for_one_core_takes_a_share_of_all() -> None:
    got = estimate(SMALL, read_device("rpi-zero-2w"), "edgelstm")
    assert known(got.energy_uj)[1] == pytest.approx((0.6 + 1.5 / 4) * known(got.latency_us)[1])


def test_four_cores_do_not_speed_up_a_step_that_is_shorter_than_sharing_it() -> None:
    gru = count(shapes("gru", 64, 64), precision="int8")
    for name in ("rpi-3b-plus", "rpi-4b", "rpi-5"):
        one, four = (estimate(gru, read_device(name), "edgelstm", cores=n) for n in (1, 4))
        assert four.latency_us == one.latency_us
        assert four.energy_uj == one.energy_uj
        assert any("on 1 core" in note for note in four.notes)


def test_a_long_step_is_shared_at_the_cost_of_waking_the_others_and_at_more_power() -> None:
    counts = count(shapes("lstm", 192, 192), precision="int8")
    one, four = (estimate(counts, PI3, "edgelstm", cores=n) for n in (1, 4))
    computing = 4 * 192 * 384 / (2 * 1400)
    assert known(one.latency_us)[1] == pytest.approx(computing + 20)
    assert known(four.latency_us)[1] == pytest.approx(computing / 4 + 10 + 20)
    assert known(four.energy_uj)[1] / known(four.latency_us)[1] == pytest.approx(5.1)


# PiDTLN README, Raspberry Pi 3B+: 2.07 M MACs in hybrid in two calls of tflite_runtime, 4.43 ms.
def test_an_interpreter_takes_what_a_pi_3_was_published_with() -> None:
    law = board_time(HYBRID, PI3, "interpreter-python", 1400, 1)
    per_mac = (known(law.latency_us)[1] - known(law.call_us)[1]) / 26624
    assert 2 * known(law.call_us)[1] + 2.07e6 * per_mac == pytest.approx(4430, rel=0.25)


def test_a_faster_board_calls_faster_too() -> None:
    slow, fast = (known(estimate(HYBRID, d, "interpreter-python").latency_us) for d in (PI3, PI5))
    assert slow[1] / fast[1] == pytest.approx(8 * 2400 / (2 * 1400), rel=0.05)
