"""Instructions of a step on emulated cores: what was promised, and what they do not hang on."""

import functools
import pathlib

import numpy as np
import pytest

import edgelstm
from edgelstm.cost.count_ops import count as count_operations
from edgelstm.cost.cycles import law_cycles, law_of
from edgelstm.cost.instructions import dsp_network, helium_network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.runtimes.emulated.counting import Counted, count
from edgelstm.runtimes.emulated.cycles import cycles
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.machine import APART, BUFFERS, PAGE, EmulatedFile, Machine
from edgelstm.runtimes.emulated.toolchain import image_of
from edgelstm.runtimes.folder import open_folder
from tests.integer_lstms import Case, lstm_of
from tests.networks import random_input, random_network
from tests.present import skip_without

skip_without("cortex-m4")
pytest.importorskip("ziglang", reason='pip install "edgelstm[mcu]"')

# Of a step of an int8 LSTM as torch initialises it, 40 -> 64 and 12 -> 48. Counts of C hang on the
# compiler: these are upper limits, with zig 0.17.
MOST = {
    ("cortex-m4", (40, 64)): 30_500,
    ("cortex-m7", (40, 64)): 30_600,
    ("cortex-m33", (40, 64)): 30_500,
    ("cortex-m4", (12, 48)): 16_200,
    ("cortex-m0plus", (40, 64)): 137_000,
    ("cortex-m3", (40, 64)): 85_000,
    ("rv32imc", (40, 64)): 117_000,
    ("cortex-m55", (40, 64)): 9_500,
    ("cortex-m55", (12, 48)): 5_300,
}
# The same in the form of operations; not all of these is assembly.
MOST_OPERATIONS = {
    ("cortex-m4", "gru", "int8"): 25_500,
    ("cortex-m7", "gru", "int8"): 25_500,
    ("cortex-m33", "gru", "int8"): 25_500,
    ("cortex-m4", "gru_reset_before", "int8"): 27_500,
    ("cortex-m4", "lstm", "int16x8"): 41_000,
    ("cortex-a53", "gru", "int8"): 12_700,
    ("cortex-a76", "gru", "int8"): 9_700,
    ("cortex-a76", "gru_reset_before", "int8"): 12_300,
    ("cortex-a53", "lstm", "int16x8"): 20_500,
}
MOST_STACK_BYTES = {"cortex": 224, "rv32im": 192}
DSP = ("cortex-m4", "cortex-m7", "cortex-m33")


@functools.cache
def quantized(sizes: tuple[int, int], cell: str = "lstm") -> QuantizedNetwork:
    network = random_network(cell, sizes)
    return edgelstm.quantize(network, random_input(network, 8, 50))


def counted(
    place: pathlib.Path,
    network: QuantizedNetwork,
    core: str,
    *,
    seed: int = 0,
    words: tuple[str, ...] = (),
) -> Counted:
    skip_without(core)
    folder = open_folder(edgelstm.write(network, place / "net_c", target=core))
    x = np.random.default_rng(seed).integers(-128, 128, (2, folder.inputs))
    return count(folder, core, Image(image_of(folder, core, words)), x)


@pytest.mark.parametrize(("core", "sizes"), MOST)
def test_a_step_takes_no_more_than_was_promised(
    tmp_path: pathlib.Path, core: str, sizes: tuple[int, int]
) -> None:
    got = counted(tmp_path, quantized(sizes), core)
    assert got.instructions <= MOST[core, sizes]
    assert got.stack_bytes <= MOST_STACK_BYTES[core[:6]]


@pytest.mark.parametrize(("core", "cell", "precision"), MOST_OPERATIONS)
def test_a_step_in_operations_takes_no_more_than_was_promised(
    tmp_path: pathlib.Path, core: str, cell: str, precision: str
) -> None:
    network = random_network(cell, (40, 64))
    q = edgelstm.quantize(network, random_input(network, 8, 50), precision)
    got = counted(tmp_path, q, core)
    assert got.instructions <= MOST_OPERATIONS[core, cell, precision]
    assert got.stack_bytes <= MOST_STACK_BYTES["cortex"]
    if cell == "gru":
        folder = open_folder(tmp_path / "net_c")
        flash = Image(image_of(folder, core)).flash_bytes
        assert flash <= 3 * 64 * (40 + 64) + 15 * 1024 and folder.state_bytes <= 1024


@pytest.mark.parametrize("core", DSP)
def test_state_and_flash_of_the_kernel_for_dsp_cores(tmp_path: pathlib.Path, core: str) -> None:
    network = quantized((40, 64))
    folder = open_folder(edgelstm.write(network, tmp_path / "net_c", target=core))
    assert folder.state_bytes <= 480
    image = Image(image_of(folder, core))
    assert image.flash_bytes <= 4 * 64 * (40 + 64) + 13 * 1024


def test_assembly_counts_the_same_for_any_data_and_an_empty_window(tmp_path: pathlib.Path) -> None:
    network = quantized((12, 48))
    first, second = (counted(tmp_path, network, "cortex-m4", seed=seed) for seed in (0, 1))
    assert first.by_function == second.by_function
    empty = ("-DNET_ON_STEP_BEGIN()=((void)0)", "-DNET_ON_STEP_END()=((void)0)")
    assert counted(tmp_path, network, "cortex-m4", words=empty).by_function == first.by_function


def test_a_pin_rises_and_falls_once_a_step(tmp_path: pathlib.Path) -> None:
    import unicorn.unicorn_const as constants

    pin = BUFFERS + 4 * APART + PAGE - 4  # the fifth buffer
    words = [
        f"-DNET_ON_STEP_{when}()=(*(volatile uint32_t*){pin:#x}U={level}U)"
        for when, level in (("BEGIN", 1), ("END", 0))
    ]
    folder = open_folder(
        edgelstm.write(quantized((12, 48)), tmp_path / "net_c", target="cortex-m4")
    )
    machine = Machine("cortex-m4", Image(image_of(folder, "cortex-m4", words)))
    file = EmulatedFile(folder, machine)
    assert machine.buffer(4) == pin
    seen: list[int] = []
    machine.uc.hook_add(
        constants.UC_HOOK_MEM_WRITE,
        lambda uc, kind, place, size, value, data: seen.append(value),
        begin=pin,
        end=pin + 3,
    )
    for _ in range(3):
        file.step(np.zeros(12, np.int8))
    assert seen == [1, 0] * 3


@pytest.mark.parametrize("core", DSP)
@pytest.mark.parametrize("sizes", [(40, 64), (5, 9), (3, 7), (1, 1)])
def test_weight_bytes_are_those_of_the_layout(
    tmp_path: pathlib.Path, core: str, sizes: tuple[int, int]
) -> None:
    got = counted(tmp_path, quantized(sizes), core)
    inputs, units = sizes
    # columns are padded to an even number; four biases of each side
    padded = sum(-(-n // 2) * 2 for n in sizes)
    assert got.read_by_array["net_lstm1_stream"] == units * (4 * padded + 32)


@pytest.mark.parametrize(
    "sizes", [(8, 16), (64, 128), (5, 32), (12, 48), (40, 32), (24, 24), (300, 20), (40, 64)]
)
def test_the_closed_form_is_what_is_counted(tmp_path: pathlib.Path, sizes: tuple[int, int]) -> None:
    got = counted(tmp_path, quantized(sizes), "cortex-m4").instructions
    assert dsp_network([sizes]) == pytest.approx(got, rel=0.02)


@pytest.mark.parametrize("sizes", [(8, 16), (64, 128), (12, 48), (24, 24), (300, 20), (3, 7)])
def test_the_closed_form_with_helium_is_what_is_counted(
    tmp_path: pathlib.Path, sizes: tuple[int, int]
) -> None:
    got = counted(tmp_path, quantized(sizes), "cortex-m55")
    # what is no product is C, which hangs on the compiler
    assert helium_network([sizes]) == pytest.approx(got.instructions, rel=0.05)
    inputs, units = sizes
    blocks = -(-inputs // 16) - (-units // 16)
    assert got.read_by_array["net_lstm1_weight"] == units * 4 * 16 * blocks
    assert got.read_by_array["net_lstm1_bias"] == units * 32


@pytest.mark.parametrize(
    ("core", "most", "most_with_waiting"),
    [("cortex-m4", 44_500, 56_500), ("cortex-m0plus", 195_000, None)],
)
def test_cycles_by_the_manual(
    tmp_path: pathlib.Path, core: str, most: int, most_with_waiting: int | None
) -> None:
    pytest.importorskip("capstone", reason='pip install "edgelstm[mcu]"')
    folder = open_folder(edgelstm.write(quantized((40, 64)), tmp_path / "net_c", target=core))
    image = Image(image_of(folder, core))
    found = count(folder, core, image, np.zeros((2, 40), np.int8))
    got = cycles(found, image, core)
    assert found.instructions < got <= most
    if most_with_waiting and found.flash_lines:
        assert got + 5 * found.flash_lines <= most_with_waiting


@pytest.mark.parametrize(
    ("cell", "sizes", "within"),
    [
        ("lstm", (40, 64), 0.02),
        ("gru", (40, 64), 0.02),
        ("gru", (8, 16), 0.03),
        ("mgu", (12, 48), 0.03),
    ],
)
def test_the_law_of_our_own_kernels_is_what_is_counted(
    tmp_path: pathlib.Path, cell: str, sizes: tuple[int, int], within: float
) -> None:
    pytest.importorskip("capstone", reason='pip install "edgelstm[mcu]"')
    network = quantized(sizes, cell)
    found = counted(tmp_path, network, "cortex-m4")
    got = cycles(found, Image(image_of(open_folder(tmp_path / "net_c"), "cortex-m4")), "cortex-m4")
    counts = count_operations(network)
    law = law_of(counts, "edgelstm")
    assert law is not None
    expected = law_cycles(counts, law)
    assert expected == pytest.approx(got, rel=within)


def test_other_scales_cost_little_more(tmp_path: pathlib.Path) -> None:
    free = Case((40, 64), 1, None, False, -6, -6, -14, 1.0, 0.0, True, None)
    got = counted(tmp_path, lstm_of(free, np.random.default_rng(0)), "cortex-m4")
    assert got.instructions <= 30_900
