"""What is needed, what is there, and what is said where it is not known."""

import pathlib
from typing import Any

import pytest

from edgelstm.cost.count_ops import count
from edgelstm.cost.memory import RUNTIME_CODE, fit, memory_map
from edgelstm.devices.device import Device, device_names, read_device
from edgelstm.layers.read_steps import reading
from edgelstm.model.network import Network
from tests.networks import golden_lstm
from tests.shapes import dense, lstm, one, recurrent

U575 = read_device("stm32u575")
CORE = 16384  # TFLM's core runtime on a Cortex-M3, tensorflow.org


def test_flash_is_weights_biases_and_the_runtimes_core() -> None:
    got = fit(count(lstm(40, 64)), U575)
    assert got.flash_bytes == 26624 + 1024 + CORE
    assert got.flash_available_bytes == 2048 * 1024
    assert got.fits is True
    assert "tensorflow.org" in got.basis


def test_written_file_lies_in_flash_as_a_whole() -> None:
    got = fit(count(lstm(40, 64)), U575, file_bytes=30_000, measured_bytes=3_333)
    assert got.flash_bytes == 30_000 + CORE
    assert "the written file" in got.basis


def test_the_answer_is_the_bound_whether_or_not_a_runtime_is_here() -> None:
    got = fit(count(lstm(40, 64)), U575, measured_bytes=3_333)
    assert got.ram_bytes == fit(count(lstm(40, 64)), U575).ram_bytes
    assert "needed 3,333 B on this machine" in got.basis


def test_generated_c_has_no_sourced_code_size() -> None:
    got = fit(count(lstm(40, 64)), U575, runtime=None)
    assert got.flash_bytes == 26624 + 1024
    assert "code is missing" in got.basis


def test_computed_ram_holds_states_values_and_the_interpreters_notes() -> None:
    # int8 in 16 B each: h and c; x, y and four gates; of 10 steps x takes 32 and y 32. What TFLM
    # notes: 736 and 1280 per LSTM, and to plan it, beside the values, 432 and 1024 at least.
    assert fit(count(lstm(3, 2)), U575).ram_bytes == 32 + 736 + 1280 + (432 + 1024)
    ram = {
        p.name: p.size_bytes
        for p in memory_map(count(lstm(3, 2)), U575, steps=10)
        if p.memory == "ram"
    }
    assert ram == {
        "states": 32,
        "input, output, values": 32 + 32 + 64,
        "interpreter": 736 + 1280 + (432 + 1024 - 128),
    }
    assert fit(count(lstm(3, 2)), U575, steps=10, runtime=None).ram_bytes == 32 + 128


def test_head_over_the_last_step_needs_one_step() -> None:
    layers = (recurrent("lstm", 3, 2), dense(2, 1000))
    once, each = (
        fit(count(Network(reading(layers, last_step=last))), U575, steps=50, runtime=None).ram_bytes
        for last in (True, False)
    )
    assert each - 32 == 112 + 50_000  # all outputs beside what they are made of
    assert once - 32 == 16 + 1008


def test_too_large_networks_do_not_fit() -> None:
    assert fit(count(lstm(1000, 1000)), U575).fits is False
    assert fit(count(lstm(100, 100)), U575, steps=10_000).fits is False


def test_smallest_version_of_the_ram_counts() -> None:
    assert fit(count(lstm(3, 2)), U575).ram_available_bytes == 768 * 1024


@pytest.mark.parametrize("name", ["rpi-zero-2w", "rpi-3b-plus", "rpi-4b", "rpi-5"])
def test_raspberry_pi_has_no_flash(name: str) -> None:
    got = fit(count(lstm(40, 64), precision="float32"), read_device(name))
    assert got.flash_bytes is None
    assert got.flash_available_bytes is None
    assert got.ram_available_bytes is not None
    assert got.ram_bytes > 4 * 26624
    assert got.fits is True


def test_unknown_memory_gives_no_answer() -> None:
    got = fit(count(lstm(40, 64)), read_device("ra6m4"))
    assert (got.fits, got.flash_available_bytes, got.ram_available_bytes) == (None, None, None)
    assert got.flash_bytes == 26624 + 1024 + CORE


def test_half_known_memory_answers_for_what_is_known(tmp_path: pathlib.Path) -> None:
    def kib(n: int) -> str:
        return f'{{ low = {n}, typical = {n}, high = {n}, basis = "datasheet", source = "front" }}'

    path = tmp_path / "half.toml"
    path.write_text(
        'name = "half"\nkind = "mcu"\ncore = "cortex-m4"\n'
        f"clock.mhz = {kib(10)}\nmemory.flash_kib = {kib(32)}\n"
    )
    device: Device = read_device(path)
    assert fit(count(lstm(3, 4)), device).fits is True
    assert fit(count(lstm(64, 64)), device).fits is False


@pytest.mark.parametrize("name", device_names())
def test_every_device_answers_with_the_promised_keys(name: str) -> None:
    for network in (golden_lstm(), one(recurrent("gru", 4, 5))):
        got = fit(count(network), read_device(name)).to_dict()
        assert list(got) == [
            *("fits", "flash_bytes", "flash_available_bytes", "ram_bytes"),
            *("ram_available_bytes", "basis"),
        ]


@pytest.mark.parametrize("name", ["stm32u575", "rpi-5"])
@pytest.mark.parametrize("runtime", ["tflm", "cmsis-nn", None])
def test_memory_map_adds_up_to_the_fit(name: str, runtime: str | None) -> None:
    counts = count(Network((recurrent("gru", 4, 5), dense(5, 3))), precision="int8")
    device = read_device(name)
    options: dict[str, Any] = {"steps": 9, "runtime": runtime}
    expected = fit(counts, device, **options)
    parts = memory_map(counts, device, **options)
    sums = {m: sum(p.size_bytes or 0 for p in parts if p.memory == m) for m in ("flash", "ram")}
    assert (sums["flash"] or None, sums["ram"]) == (expected.flash_bytes, expected.ram_bytes)


def test_runtime_code_is_sourced() -> None:
    for figure in RUNTIME_CODE.values():
        assert figure.low <= figure.typical <= figure.high
        assert "kernels come on top" in figure.source
