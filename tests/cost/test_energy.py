"""Estimates against published energy runs, worked examples and the rules for what is not known."""

import csv
import dataclasses
import math
import pathlib

import pytest

from edgelstm.cost.count_ops import count
from edgelstm.cost.cycles import Interval
from edgelstm.cost.energy import Energy, estimate
from edgelstm.cost.laws import KERNELS
from edgelstm.cost.power import POWER_HALF_WIDTH
from edgelstm.devices.device import Device, Figure, device_names, read_device
from edgelstm.devices.keys import ACTIVE_FROM
from edgelstm.errors import DeviceError
from edgelstm.layers.read_steps import reading
from edgelstm.model.network import Network
from tests.shapes import AD, dense, lstm, one, recurrent

U575, L4R5, PI5 = (read_device(name) for name in ("stm32u575", "stm32l4r5", "rpi-5"))
STEP = count(lstm(40, 64), precision="int8")


def published_runs() -> list[dict[str, str]]:
    path = pathlib.Path(__file__).parents[1] / "data" / "mlperf_tiny_ad.csv"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def known(interval: Interval | None) -> tuple[float, float, float]:
    assert interval is not None and interval.typical is not None
    return interval.low, interval.typical, interval.high


def without(device: Device, *keys: str) -> Device:
    figures = {key: figure for key, figure in device.figures.items() if key not in keys}
    return dataclasses.replace(device, figures=figures)


def with_figure(device: Device, key: str, low: float, typical: float, high: float) -> Device:
    figure = Figure(low, typical, high, "measured", "a meter")
    return dataclasses.replace(device, figures={**device.figures, key: figure})


@pytest.mark.parametrize(
    "run", published_runs(), ids=lambda run: f"{run['board']} {run['runtime']}"
)
def test_published_interval_contains_the_published_run(run: dict[str, str]) -> None:
    got = estimate(count(AD, precision="int8"), read_device(run["device"]), "published")
    low, _, high = known(got.energy_uj)
    assert low <= float(run["energy_uj"]) <= high
    low, _, high = known(got.latency_us)
    assert low <= 1e6 / float(run["inferences_per_s"]) <= high


def test_own_kernel_on_the_u575_is_the_worked_example() -> None:
    got = estimate(STEP, U575, "edgelstm")
    low, typical, high = known(got.energy_uj)
    assert known(got.latency_us)[1] * 160 == pytest.approx(43_730, rel=0.001)  # printed digits
    assert typical == pytest.approx(6.75, rel=0.01)  # printed digits
    u = math.hypot(0.15, 0.22)
    assert (low, high) == pytest.approx((typical / (1 + u), typical * (1 + u)))
    assert got.basis == "derived"
    assert got.energy_net_uj is None
    assert got.energy_reason is None


@pytest.mark.parametrize(
    ("kernels", "per_mac", "per_unit", "per_layer"),
    [("edgelstm", 1.229, 172, 0), ("cmsis-nn", 2.502, 677, 2440), ("portable", 8.0, 356, 0)],
)
def test_law_counts_cycles_per_mac_and_unit(
    kernels: str, per_mac: float, per_unit: float, per_layer: float
) -> None:
    cycles = per_mac * 26624 + per_unit * 64 + per_layer
    low, typical, high = (us * 160 for us in known(estimate(STEP, U575, kernels).latency_us))
    assert (low, typical, high) == pytest.approx((cycles / 1.15, cycles, cycles * 1.15))


def test_gru_needs_five_eighths_of_the_element_wise_part_in_the_kernels_of_others() -> None:
    counts = count(one(recurrent("gru", 40, 64)), precision="int8")
    got = known(estimate(counts, U575, "portable").latency_us)[1] * 160
    assert got == pytest.approx(8 * 19968 + 356 * 64 * 5 / 8)


@pytest.mark.parametrize(
    ("precision", "per_mac", "per_requantization", "per_unit"),
    [("int8", 1.256, 5.77, 32.7), ("int16x8", 1.485, 6.17, 42.9)],
)
def test_our_kernels_of_the_composed_form_follow_its_requantizations(
    precision: str, per_mac: float, per_requantization: float, per_unit: float
) -> None:
    counts = count(one(recurrent("gru", 40, 64)), precision=precision)
    got = known(estimate(counts, U575, "edgelstm").latency_us)[1] * 160
    rounded = 64 * (24 if precision == "int8" else 23)  # with the narrowing of h
    assert got == pytest.approx(per_mac * 19968 + per_requantization * rounded + per_unit * 64)


def test_dense_layers_need_cycles_per_output_and_are_assumed() -> None:
    counts = count(one(dense(64, 9)), precision="int8")
    got = estimate(counts, U575, "edgelstm")
    assert known(got.latency_us)[1] * 160 == pytest.approx(1.229 * 576 + 20 * 9)
    assert got.basis == "assumed"


def test_published_runtimes_on_the_u575_give_a_derived_interval() -> None:
    head = Network(reading((recurrent("lstm", 40, 64), dense(64, 9)), last_step=True))
    got = estimate(count(head, precision="int8"), U575, "published")
    macs, cells = 26624 + 576, 677 * 64 * 2.62 / 3.44
    expected = [(per_mac * macs + cells) / 160 for per_mac in (1.87, 2.62, 3.49)]
    assert known(got.latency_us) == pytest.approx(expected)
    energy = [us * mw / 1000 for us, mw in zip(expected, (24.02, 24.7, 26.78), strict=True)]
    assert known(got.energy_uj) == pytest.approx(energy)
    assert got.basis == "derived"


def test_flash_wait_states_raise_the_upper_end_alone() -> None:
    for kernels, wait in (("edgelstm", 0.27), ("cmsis-nn", 0.40)):
        got = estimate(STEP, L4R5, kernels)
        low, typical, high = known(got.latency_us)
        assert (typical / low, high / typical) == pytest.approx((1.15, 1.15 * (1 + wait)))
        low, typical, high = known(got.energy_uj)
        u = math.hypot(0.15, 0.22)
        assert (typical / low, high / typical) == pytest.approx((1 + u, (1 + u) * (1 + wait)))
    assert any("wait states" in note for note in estimate(STEP, U575, "edgelstm").notes)


def test_other_cores_scale_the_law_of_the_m4_and_are_assumed() -> None:
    got = estimate(STEP, read_device("stm32h7a3"), "edgelstm")
    low, typical, high = (us * 280 for us in known(got.latency_us))
    cycles = (1.229 * 26624 + 172 * 64) * 1.44 / 3.44
    assert (low, typical, high) == pytest.approx((cycles / 1.3, cycles, cycles * 1.3))
    assert got.basis == "assumed"


def test_float32_is_half_wide_and_assumed() -> None:
    got = estimate(count(lstm(40, 64), precision="float32"), L4R5, "published")
    low, typical, high = known(got.latency_us)
    assert typical * 120 == pytest.approx(9.5 * 26624 + 677 * 64)
    assert (typical / low, high / typical) == pytest.approx((1.5, 1.5))
    assert got.basis == "assumed"


@pytest.mark.parametrize(
    ("active_from", "half_width", "basis"),
    [
        ("this runtime", 0.14, "derived"),
        ("other runtimes", 0.22, "derived"),
        ("coremark", 0.15, "assumed"),
        ("current", 0.25, "derived"),
    ],
)
def test_power_is_as_wide_as_what_it_was_obtained_from(
    active_from: str, half_width: float, basis: str
) -> None:
    device = with_figure(U575, "power.active_mw", 20, 24, 30)
    texts = {**device.texts, "power.active_from": active_from}
    got = estimate(STEP, dataclasses.replace(device, texts=texts), "edgelstm")
    _, typical, high = known(got.energy_uj)
    assert high / typical == pytest.approx(1 + math.hypot(0.15, half_width))
    assert got.basis == basis


def test_power_has_a_width_for_all_it_can_be_obtained_from() -> None:
    assert {*POWER_HALF_WIDTH, "current"} == set(ACTIVE_FROM)


def test_weakest_of_all_figures_is_the_basis() -> None:
    clock = dataclasses.replace(U575.clock, basis="assumed")
    device = dataclasses.replace(U575, figures={**U575.figures, "clock.mhz": clock})
    assert estimate(STEP, device, "cmsis-nn").basis == "assumed"
    assert estimate(count(AD, precision="int8"), L4R5, "published").basis == "derived"


def test_headline_current_doubles_for_neural_code() -> None:
    device = without(U575, "power.active_mw")
    got = estimate(STEP, device, "edgelstm")
    low, typical, high = known(got.energy_uj)
    milliwatts = 19.5e-3 * 160 * 3.3 * 2.0
    assert typical == pytest.approx(known(got.latency_us)[1] * milliwatts / 1000)
    assert high / typical == pytest.approx(1 + math.hypot(0.15, 0.30))


def no_energy(got: Energy) -> str:
    assert got.energy_uj is None
    assert got.energy_net_uj is None
    assert got.energy_reason is not None
    return got.energy_reason


def test_unknown_power_keeps_the_time() -> None:
    got = estimate(STEP, read_device("stm32f746"))
    assert "power is not known" in no_energy(got)
    assert got.latency_us is not None
    bare = without(U575, "power.active_mw", "power.headline_ua_per_mhz")
    assert "power is not known" in no_energy(estimate(STEP, bare, "edgelstm"))


def test_range_only_has_no_typical_energy() -> None:
    got = estimate(STEP, read_device("esp32c3"))
    assert got.energy_uj is not None
    assert got.energy_uj.typical is None
    assert 0 < got.energy_uj.low < got.energy_uj.high
    assert known(got.latency_us)


@pytest.mark.parametrize(
    ("device", "precision", "kernels", "reason"),
    [
        ("gap9-065v", "int8", None, "comparison only"),
        ("stm32u575", "hybrid", None, "hybrid is not for microcontrollers"),
        ("stm32l4r5", "float32", "edgelstm", "no law for float32"),
        ("stm32u575", "float32", "published", "speed.cycles_per_mac_float32 not known"),
        ("rx65n", "int8", "edgelstm", "speed.half_width_percent not known"),
        ("esp8266", "int8", "cmsis-nn", "speed.cycles_per_mac_int8, speed.half_width_percent not"),
        ("rp2040", "float32", "tflm", "its core has no float unit, and no run of 'tflm'"),
        ("stm32u575", "int8", "interpreter-python", "for a Raspberry Pi, and stm32u575 is none"),
        ("rpi-5", "int8", "tflm", "interpreter-python and edgelstm, not for 'tflm'"),
    ],
)
def test_unknown_speed_gives_neither_time_nor_energy(
    device: str, precision: str, kernels: str | None, reason: str
) -> None:
    got = estimate(count(lstm(40, 64), precision=precision), read_device(device), kernels)
    assert reason in no_energy(got)
    assert got.latency_us is None
    assert got.latency_reason == got.energy_reason
    assert got.basis is None


def test_pi_with_missing_figures_says_so() -> None:
    got = estimate(STEP, without(PI5, "memory.dram_read_mb_per_s"))
    assert "RAM bandwidth not known" in no_energy(got)
    busy = with_figure(PI5, "power.idle_w", 9, 9, 9)
    assert estimate(STEP, busy).energy_net_uj is None
    got = estimate(STEP, without(PI5, "power.idle_w"))
    assert "power is not known" in no_energy(got)
    assert got.latency_us is not None


# MLPerf Tiny v1.3, streaming wake word on NUCLEO-U575ZI-Q: 23.5 mW while computing at 160 MHz and
# 9.7 mW at 60 MHz, so a step takes 1.1 times the energy there.
def test_a_slower_clock_needs_the_power_that_was_measured_there() -> None:
    full, slow = (estimate(STEP, U575, "edgelstm", clock) for clock in (None, 60))
    assert known(slow.latency_us)[1] == pytest.approx(160 / 60 * known(full.latency_us)[1])
    ratio = known(slow.energy_uj)[1] / known(full.energy_uj)[1]
    assert ratio == pytest.approx(9.7 / 23.5 * 160 / 60, rel=0.01)


@pytest.mark.parametrize(("device", "clock_mhz"), [("stm32u575", 59), ("stm32f446", 90)])
def test_power_at_a_clock_without_figures_is_not_known(device: str, clock_mhz: float) -> None:
    got = estimate(STEP, read_device(device), "edgelstm", clock_mhz)
    assert f"power at {clock_mhz} MHz is not known" in no_energy(got)
    assert got.latency_us is not None
    assert got.latency_reason is None


@pytest.mark.parametrize(
    ("device", "kernels", "clock_mhz", "cores", "said"),
    [
        ("stm32u575", "fast", None, 1, "kernels 'fast' is unknown; known: tflm, tflm-unrolled"),
        ("stm32u575", None, 200, 1, "up to 160 MHz, not 200 MHz"),
        ("stm32u575", None, 0, 1, "not 0 MHz"),
        ("stm32u575", None, math.nan, 1, "not nan MHz"),
        ("rp2040", None, None, 2, "cores is 2; the work runs on 1 to 1"),
        ("rpi-5", None, None, 5, "cores is 5; the work runs on 1 to 4"),
    ],
)
def test_unusable_arguments_are_named(
    device: str, kernels: str | None, clock_mhz: float | None, cores: int, said: str
) -> None:
    with pytest.raises(DeviceError, match=said):
        estimate(STEP, read_device(device), kernels, clock_mhz, cores=cores)


@pytest.mark.parametrize("name", device_names())
@pytest.mark.parametrize("precision", ["int8", "float32", "hybrid"])
def test_intervals_are_ordered_or_have_a_reason(name: str, precision: str) -> None:
    counts = count(lstm(40, 64), precision=precision)
    for kernels in KERNELS:
        got = estimate(counts, read_device(name), kernels)
        assert (got.energy_uj is None) == (got.energy_reason is not None)
        assert (got.latency_us is None) == (got.latency_reason is not None)
        for interval in (got.latency_us, got.energy_uj, got.energy_net_uj):
            if interval is not None:
                ends = [v for v in dataclasses.astuple(interval) if v is not None]
                assert 0 < ends[0] <= ends[-1] < math.inf
                assert ends == sorted(ends)


def test_int16x8_is_taken_to_be_as_fast_as_int8() -> None:
    wide = dataclasses.replace(STEP, precision="int16x8")
    for kernels in KERNELS:
        got, expected = estimate(wide, U575, kernels), estimate(STEP, U575, kernels)
        assert got.latency_us == expected.latency_us
        assert got.basis == (None if kernels == "interpreter-python" else "assumed")


@pytest.mark.parametrize("device", ["stm32u575", "rpi-5", "stm32f746"])
def test_notebooks_show_the_intervals(device: str) -> None:
    got = estimate(STEP, read_device(device))
    text = got._repr_html_()
    assert "time, us" in text
    assert ("energy, uJ" in text) == (got.energy_uj is not None)
    assert (str(got.energy_reason) in text) == (got.energy_reason is not None)


def test_dictionary_has_the_promised_keys() -> None:
    got = estimate(STEP, U575).to_dict()
    assert list(got)[:5] == ["latency_us", "energy_uj", "energy_net_uj", "energy_reason", "basis"]
    assert list(got["energy_uj"]) == ["low", "typical", "high"]
