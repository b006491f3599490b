"""Advice: which rows apply, and effects that come out of recounting."""

import math
from typing import Any

import pytest

from edgelstm.cost.advice import advise
from edgelstm.cost.count_ops import count
from edgelstm.cost.energy import estimate
from edgelstm.cost.variants import Advice, Situation, rebuilt
from edgelstm.devices.device import device_names, read_device
from edgelstm.model.network import Network
from edgelstm.model.sizes import shapes


def found(
    network: Network,
    device: str,
    *,
    precision: str = "int8",
    kernels: str | None = None,
    **duty: Any,
) -> dict[str, Advice]:
    counts, chosen = count(network, precision=precision), read_device(device)
    energy = estimate(counts, chosen, kernels, **duty)
    return {a.technique: a for a in advise(Situation(counts, energy, chosen, kernels))}


LSTM = shapes("lstm", 40, 64)


def test_a_gru_needs_a_quarter_less_and_its_energy_is_estimated_anew() -> None:
    got = found(LSTM, "stm32u575", kernels="edgelstm")["a GRU instead of an LSTM"]
    gru = count(shapes("gru", 40, 64), precision="int8")
    assert got.macs == gru.total.macs == 3 * 64 * 104
    expected = estimate(gru, read_device("stm32u575"), "edgelstm").energy_uj
    assert expected is not None
    assert got.energy_uj == expected.typical
    assert "19,968 instead of 26,624 MACs (-25 %)" in got.effect
    assert got.mark == "DERIVED"


def test_projection_counts_as_a_network_with_one() -> None:
    got = found(LSTM, "stm32u575", kernels="edgelstm")["a projection to half the units"]
    assert got.macs == count(shapes("lstm", 40, 64, projection=32)).total.macs
    assert "a projection to half the units" not in found(
        shapes("lstm", 40, 64, projection=20), "stm32u575"
    )
    assert "a projection to half the units" not in found(shapes("gru", 40, 64), "stm32u575")


def test_a_cell_that_needs_more_energy_is_not_advised() -> None:
    # As one operator an LSTM needs less in TensorFlow Lite Micro than a GRU as a graph of many.
    assert "a GRU instead of an LSTM" not in found(LSTM, "stm32u575")
    assert "a GRU instead of an LSTM" in found(LSTM, "stm32u575", kernels="edgelstm")


def test_hoisting_divides_the_traffic_of_w() -> None:
    got = found(LSTM, "stm32u575")["computing W x of 16 known steps together"]
    assert f"{4 * 64 * 64 + 4 * 64 * 40 // 16:,} instead of {26_624:,}" in got.effect
    assert "small gain" in got.effect
    large = found(shapes("lstm", 800, 800), "rpi-5", precision="float32")
    assert "large gain" in large["computing W x of 16 known steps together"].effect


def test_int8_is_advised_for_floats_alone() -> None:
    names = found(LSTM, "stm32l4r5", precision="float32")
    assert names["int8 instead of float32"].parameter_bytes == 26_624 + 1024
    assert "hybrid instead of float32" in found(LSTM, "rpi-4b", precision="float32")
    assert "int8 instead of float32" not in found(LSTM, "stm32l4r5")
    slow = found(LSTM, "stm32g0b1", precision="float32")["int8 instead of float32"]
    assert "0.83 to 1.1 times without SIMD" in slow.effect


def test_regulator_and_newer_chip_depend_on_the_device() -> None:
    l4r5 = found(LSTM, "stm32l4r5")
    assert {"an external SMPS (3 V)", "a newer chip"} <= set(l4r5)
    assert "a newer chip" not in found(LSTM, "stm32u385")
    assert "an external SMPS (3 V)" not in found(LSTM, "stm32u575")


def test_clock_advice_has_both_numbers() -> None:
    got = found(LSTM, "stm32u575", kernels="edgelstm", period_ms=1)
    slow = got["the slowest clock that keeps up, waiting clocks-on"].effect
    assert slow.startswith("60 MHz: 8.62 instead of 10.1 mW")
    assert "the slow clock wins" in slow
    assert "race to idle" in got["the slowest clock that keeps up, waiting deep"].effect
    assert not [name for name in found(LSTM, "stm32u575") if "clock" in name]
    unknown = found(LSTM, "stm32h7a3", period_ms=20)
    assert not [name for name in unknown if "clock" in name]


@pytest.mark.parametrize("cell_name", ["lstm", "lstm_peephole", "gru", "rnn", "mgu"])
def test_a_rebuilt_network_counts_as_the_first(cell_name: str) -> None:
    projection = 3 if cell_name.startswith("lstm") else None
    network = shapes(cell_name, 5, 7, layers=2, projection=projection, outputs=4)
    counts = count(network)
    assert count(rebuilt(counts)).total == counts.total


@pytest.mark.parametrize("name", device_names())
@pytest.mark.parametrize("cell_name", ["lstm", "gru", "mgu"])
def test_every_row_is_said_with_mark_and_source(name: str, cell_name: str) -> None:
    network = shapes(cell_name, 9, 16, layers=2, outputs=4)
    for advice in found(network, name, period_ms=20).values():
        assert advice.effect
        assert any(advice.mark.startswith(m) for m in ("FOUND", "DERIVED", "KNOWN", "ASSUMPTION"))
        assert advice.source
        assert advice.energy_uj is None or 0 < advice.energy_uj < math.inf
        assert "e+" not in advice.effect


def test_what_has_no_file_is_not_advised() -> None:
    counts, device = count(LSTM, precision="int8"), read_device("stm32u575")
    energy = estimate(counts, device, "edgelstm")

    def techniques(has_file: bool) -> set[str]:
        now = Situation(
            counts, energy, device, "edgelstm", has_file=lambda network, precision: has_file
        )
        return {a.technique for a in advise(now)}

    gone = techniques(True) - techniques(False)
    assert gone == {
        "a GRU instead of an LSTM",
        "coupled gates (i = 1 - f) instead of an LSTM",
        "a projection to half the units",
    }
