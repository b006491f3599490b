"""Bytes per level of memory, against what was counted by hand."""

import dataclasses

import pytest

from edgelstm.cost.count_ops import count
from edgelstm.cost.laws import KERNELS
from edgelstm.cost.traffic import GROUPED_ROWS, Traffic, constant_bytes, fits_cache, traffic
from edgelstm.devices.device import Device, Figure, device_names, read_device
from edgelstm.model.sizes import shapes

U575, PI4, PI5 = (read_device(name) for name in ("stm32u575", "rpi-4b", "rpi-5"))
STEP = count(shapes("lstm", 40, 64), precision="int8")
PARAMETERS = 4 * 64 * (40 + 64) + 4 * 64 * 4  # W, R and biases in int32: 26624 and 1024


def levels(found: tuple[Traffic, ...]) -> dict[str, tuple[int, int]]:
    return {level.level: (level.read_bytes, level.write_bytes) for level in found}


def with_kib(device: Device, key: str, kib: float) -> Device:
    figure = Figure(kib, kib, kib, "measured", "a test")
    return dataclasses.replace(device, figures={**device.figures, f"memory.{key}_kib": figure})


@pytest.mark.parametrize(("kernels", "rows"), [("edgelstm", 4), ("cmsis-nn", 2), ("portable", 1)])
def test_x_and_h_are_read_again_for_every_group_of_rows(kernels: str, rows: int) -> None:
    got = levels(traffic(STEP, U575, kernels))
    c = 2 * 64
    assert got == {
        "sram": (4 * 64 // rows * (40 + 64) + c, 64 + c),
        "flash": (PARAMETERS, 0),
    }


def test_every_kernel_set_has_its_rows() -> None:
    assert set(GROUPED_ROWS) == set(KERNELS)


def test_dense_layer_and_projection_read_in_groups_of_rows() -> None:
    counts = count(shapes("lstm", 40, 64, projection=9, outputs=5))
    # 32 pairs of gate rows per gate read x and h, 5 of projection rows read o * tanh(c), 3 of
    # outputs read h; c once in int16.
    expected = 4 * 32 * (40 + 9) + 5 * 64 + 3 * 9 + 2 * 64
    assert levels(traffic(counts, U575, "cmsis-nn"))["sram"][0] == expected


def test_peepholes_read_the_old_cell_again() -> None:
    plain, peephole = (
        levels(traffic(count(shapes(cell, 40, 64)), U575))["sram"][0]
        for cell in ("lstm", "lstm_peephole")
    )
    assert peephole - plain == 2 * 2 * 64  # i and f, in int16


def test_hybrid_reads_int8_copies_beside_the_floats() -> None:
    counts = count(shapes("lstm", 40, 64), precision="hybrid")
    got = levels(traffic(counts, PI5))["l1"][0]
    assert got == constant_bytes(counts) + 64 * 104 + 4 * 64 + 4 * 104


def test_energy_of_flash_is_not_known_and_that_of_sram_follows_its_size() -> None:
    sram, flash = traffic(STEP, U575, "edgelstm")
    moved = sram.read_bytes + sram.write_bytes
    assert sram.energy_pj == moved / 8 * 100
    assert flash.energy_pj is None
    assert traffic(STEP, with_kib(U575, "sram", 32), "edgelstm")[0].energy_pj == moved / 8 * 20


def test_weights_come_from_the_first_cache_that_holds_them() -> None:
    assert levels(traffic(STEP, PI5)) == {
        "l1": (PARAMETERS + 64 * 104 + 128, 192),
        **{"l2": (0, 0), "l3": (0, 0), "dram": (0, 0)},
    }
    assert levels(traffic(STEP, PI4))["l2"] == (PARAMETERS, 0)  # 27 KB against 0.7 of 32 KiB
    large = count(shapes("lstm", 400, 400))  # 1.29 MB: beyond 0.7 of 512 KiB and 1 MiB, not 2 MiB
    expected = constant_bytes(large)
    assert levels(traffic(large, PI5))["l3"] == (expected, 0)
    assert levels(traffic(large, PI5))["dram"] == (0, 0)
    assert levels(traffic(large, PI4))["dram"] == (expected, 0)
    dram = traffic(large, PI4)[-1]
    assert dram.energy_pj == expected / 8 * 1950


# Int8 parameters that fit 0.7 of the last level.
@pytest.mark.parametrize(
    ("device", "millions"),
    [("rpi-zero-2w", 0.37), ("rpi-3b-plus", 0.37), ("rpi-4b", 0.73), ("rpi-5", 1.47)],
)
def test_cache_rule_holds_as_many_parameters_as_stated(device: str, millions: float) -> None:
    last = read_device(device).figure("memory.last_level_kib")
    assert last is not None
    assert fits_cache(round((millions - 0.005) * 1e6), last.typical)
    assert not fits_cache(round((millions + 0.005) * 1e6), last.typical)


@pytest.mark.parametrize("name", device_names())
@pytest.mark.parametrize("precision", ["int8", "float32", "hybrid"])
def test_every_device_answers(name: str, precision: str) -> None:
    counts = count(shapes("gru", 7, 9, layers=2, outputs=3), precision=precision)
    for level in traffic(counts, read_device(name)):
        assert list(level.to_dict()) == ["level", "read_bytes", "write_bytes", "energy_pj"]
        assert level.read_bytes >= 0
