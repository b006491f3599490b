"""The int8 LSTM in assembly on aarch64: what a step takes and reads, and which layers get it."""

import dataclasses
import functools
import pathlib
from typing import Any

import numpy as np
import pytest

import edgelstm
from edgelstm.cost.instructions import closed_form
from edgelstm.devices.cores import CORES
from edgelstm.formats.c.a64 import a64_refusal
from edgelstm.formats.c.lstm import numbers_of
from edgelstm.formats.c.read import kernels_of
from edgelstm.quantization.lower import lower
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.runtimes.emulated.counting import Counted, count
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.machine import Crashed, EmulatedFile, Machine
from edgelstm.runtimes.emulated.toolchain import image_of
from edgelstm.runtimes.folder import open_folder
from tests.integer_lstms import Case, lstm_of, random_case
from tests.networks import random_input, random_network
from tests.present import skip_without
from tests.runtimes.sweep import image_of_all, values_that_differ

skip_without("cortex-m4")
pytest.importorskip("ziglang", reason='pip install "edgelstm[mcu]"')
ONE_OF_EACH = ["cortex-a53", "cortex-a76"]  # by SMULL, by SDOT
WHOLE = ((8, 16), (64, 128), (5, 32), (12, 48), (40, 32), (24, 24), (300, 20), (40, 64))
ODD = ((5, 9), (3, 7), (1, 1), (17, 33))
# Of a step as torch initialises it, with zig 0.17; compiled C is a twentieth of that.
MOST = {
    ("cortex-a53", (40, 64)): 10_000,
    ("cortex-a76", (40, 64)): 6_150,
    ("cortex-a53", (12, 48)): 5_950,
    ("cortex-a76", (12, 48)): 4_050,
}
MOST_STACK_BYTES = 256
SHORT = Case((40, 64), 1, None, False, -6, 0, -11, 1.0, 0.0, False, None)


@functools.cache
def quantized(sizes: tuple[int, int]) -> QuantizedNetwork:
    network = random_network("lstm", sizes)
    return edgelstm.quantize(network, random_input(network, 8, 50))


def all_counted(
    place: pathlib.Path, core: str, networks: list[QuantizedNetwork], seed: int = 0
) -> list[Counted]:
    """A step of each, from one image."""
    paths = [edgelstm.write(q, place / f"n{k}_c", target=core) for k, q in enumerate(networks)]
    folders = list(map(open_folder, paths))
    image, rng = image_of_all(place, core, folders), np.random.default_rng(seed)
    return [count(f, core, image, rng.integers(-128, 128, (2, f.inputs))) for f in folders]


@pytest.mark.parametrize("core", ONE_OF_EACH)
def test_instructions_and_bytes_are_those_that_sizes_give(
    tmp_path: pathlib.Path, core: str
) -> None:
    form = closed_form("a64", dot_product=CORES[core].dot_product)
    assert form is not None
    sizes = (*WHOLE, *ODD)
    found = all_counted(tmp_path, core, [quantized(s) for s in sizes])
    for k, ((inputs, units), got) in enumerate(zip(sizes, found, strict=True)):
        within = 0.02 if (inputs, units) in WHOLE else 0.25  # of one unit the ends are half
        assert form([(inputs, units)]) == pytest.approx(got.instructions, rel=within)
        assert got.instructions <= MOST.get((core, (inputs, units)), got.instructions)
        assert got.stack_bytes <= MOST_STACK_BYTES
        # Units and columns are padded to multiples of four; four biases of each side.
        columns, padded = (-(-n // 4) * 4 for n in (inputs, units))
        read = got.read_by_array[f"n{k}_lstm1_stream"]
        assert read == padded * (4 * (columns + padded) + 32)


@pytest.mark.parametrize("core", ["cortex-a76"])
def test_neither_data_nor_scales_change_the_count(tmp_path: pathlib.Path, core: str) -> None:
    rng = np.random.default_rng(0)
    free = dataclasses.replace(SHORT, h_zero_point=-6, cell_log2=-14, clip=0.5, free=True)
    networks = [quantized(SHORT.sizes), lstm_of(SHORT, rng), lstm_of(free, rng)]
    expected, *others = all_counted(tmp_path, core, networks)
    others += all_counted(tmp_path, core, networks, seed=1)
    for got in others:
        assert got.instructions == expected.instructions
    whole = sum(n for name, n in expected.by_function.items() if name.startswith("edgelstm_a64"))
    assert whole >= 0.95 * expected.instructions


@pytest.mark.parametrize("core", ONE_OF_EACH)
def test_many_units_and_all_weights_at_their_ends_are_the_reference(
    tmp_path: pathlib.Path, core: str
) -> None:
    rng = np.random.default_rng(1)
    networks = []
    for sizes, layers in (((40, 64), 2), ((12, 65), 1), ((259, 66), 1), ((16, 67), 1)):
        case = dataclasses.replace(SHORT, sizes=sizes, layers=layers, gain=6.0)
        networks.append(lstm_of(case, rng))
    # x and h that are -128 beside weights of 127 alone, the largest sums in 16 bits
    networks.append(with_weights(lstm_of(SHORT, rng), 127))
    networks.append(with_weights(lstm_of(SHORT, rng), -127))
    # The same products in other cells: a row in a group of its own, groups that fill no block.
    for cell, sizes in (("gru", (5, 17)), ("gru", (40, 64)), ("mgu", (300, 6)), ("rnn", (3, 1))):
        network = random_network(cell, sizes, gain=6.0)
        networks.append(
            edgelstm.quantize(network, random_input(network, 4, 20), "int8", "composed")
        )
    networks += [lstm_of(random_case(rng), rng) for _ in range(8)]
    compared, wrong = values_that_differ(tmp_path, core, networks, 12)
    assert wrong == 0 and compared > 5_000


def with_weights(network: QuantizedNetwork, value: int) -> QuantizedNetwork:
    """All weights of its one layer are a value."""
    layer: Any = network.layers[0]
    (part,) = layer.parts
    arrays = {name: np.full_like(getattr(part, name), value) for name in ("weight_ih", "weight_hh")}
    changed = dataclasses.replace(layer, directions=(dataclasses.replace(part, **arrays),))
    return dataclasses.replace(network, layers=(changed, *network.layers[1:]))


def test_a_core_without_sdot_gets_none(tmp_path: pathlib.Path) -> None:
    folder = open_folder(edgelstm.write(quantized((5, 9)), tmp_path / "net_c", target="cortex-a76"))
    with_it = Image(image_of(folder, "cortex-a76"))
    x = np.zeros((1, 3, 5), np.int8)
    expected = EmulatedFile(folder, Machine("cortex-a76", with_it)).run(x)
    with pytest.raises(Crashed, match="in edgelstm_a64_products_x"):
        EmulatedFile(folder, Machine("cortex-a72", with_it)).run(x)
    for core, words in (("cortex-a72", ()), ("cortex-a76", ("-DEDGELSTM_PORTABLE",))):
        without = Image(image_of(folder, core, words))
        got = EmulatedFile(folder, Machine("cortex-a72", without)).run(x)
        np.testing.assert_array_equal(got, expected)


def test_the_plan_says_which_kernel_a_layer_has(tmp_path: pathlib.Path) -> None:
    for core, told in (("cortex-a53", "a64: four units at a time"), ("cortex-m0plus", "words128:")):
        path = edgelstm.write(quantized((5, 9)), tmp_path / "n_c", target=core)
        assert kernels_of(path)["lstm1"].startswith(told)


def test_an_output_finer_than_its_factors_is_left_to_plain_c() -> None:
    (layer,) = quantized((5, 9)).layers
    numbers = numbers_of(lower(layer.parts[0]))
    fine = dataclasses.replace(numbers.output, ratio=1.5)
    assert a64_refusal(numbers) is None
    assert (
        a64_refusal(dataclasses.replace(numbers, output=fine))
        == "a scale leads to a factor above 1"
    )
