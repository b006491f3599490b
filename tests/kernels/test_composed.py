"""The kernel of the composed form: its arithmetic on every int16, networks against the oracle."""

import os
from typing import Any

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.execution.fused import packed_layer
from edgelstm.execution.session import Session, run
from edgelstm.quantization import fixedpoint as fx
from edgelstm.quantization.fixedpoint import INT16, quantize_multiplier, requantize
from edgelstm.quantization.formats import CELL_LOG2
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network

numba = pytest.importorskip("numba")

from edgelstm.kernels import composed, packing  # noqa: E402
from edgelstm.kernels import composed_arithmetic as arithmetic  # noqa: E402
from edgelstm.kernels.composed_numbers import (  # noqa: E402
    product_numbers,
    sum_numbers,
    tanh_numbers,
)
from edgelstm.kernels.simd.memory import load_words, store_words  # noqa: E402
from edgelstm.kernels.simd.target import PAIR  # noqa: E402
from edgelstm.kernels.simd.words import TABLES_APART  # noqa: E402

TABLES = packing.activation_tables(fx.SIGMOID_TABLE[:256], apart=TABLES_APART)
# With a kernel of their own; the others take several passes over the units.
ONE_PHASE = ("lstm", "lstm_peephole", "lstm_coupled", "lstm_coupled_peephole", "gru", "rnn")


def applied(operation: Any, *given: Any, numbers: dict[int, int] | None = None) -> Any:
    """An operation on int16 arrays of equal lengths, vector by vector; its slots begin at OPS."""
    arrays = [np.ascontiguousarray(v, np.int16) for v in given]
    n, out = len(arrays[0]), np.empty(len(arrays[0]), np.int16)
    assert n % PAIR == 0
    parameters = np.zeros(arithmetic.N_SLOTS, np.int64)
    parameters[arithmetic.TABLES] = TABLES.ctypes.data
    for place, number in (numbers or {}).items():
        parameters[arithmetic.OPS + place] = number
    one = len(arrays) == 1

    @numba.njit  # type: ignore[untyped-decorator]
    def run_all(P: Any, a: Any, b: Any, out: Any, n: Any) -> None:
        for k in range(0, n, PAIR):
            if one:
                store_words(out, k, operation(P, load_words(a, k)))
            else:
                store_words(out, k, operation(P, load_words(a, k), load_words(b, k)))

    a, b = arrays[0].ctypes.data, arrays[-1].ctypes.data
    run_all(parameters, a, b, out.ctypes.data, n)
    return out


def unary(operation: Any) -> Any:
    """The same for operations without parameters."""
    return numba.njit(lambda P, v: operation(v))


def test_the_sigmoid_of_every_int16_is_the_tables() -> None:
    assert np.array_equal(applied(arithmetic.sigmoid, INT16), fx.table_sigmoid(INT16, -11))


@pytest.mark.parametrize("log2", sorted({*CELL_LOG2, -13}))
def test_the_tanh_of_every_int16_is_the_tables(log2: int) -> None:
    got = applied(arithmetic.tanh(arithmetic.OPS), INT16, numbers=tanh_numbers(log2))
    assert np.array_equal(got, fx.table_tanh(INT16, log2))


def test_narrowing_every_int16_rounds_twice() -> None:
    expected = fx.saturate8(requantize(INT16, *quantize_multiplier(2.0**-8)))
    assert np.array_equal(applied(unary(composed.narrowed), INT16), expected)


PAIRS = [
    (-11, -11, -11),
    (-9, -9, -16),
    (-11, -11, -13),
    (-7, -15, -14),
    (-15, -14, -15),
    (-15, -15, -15),
    (-13, -10, -10),
    (-9, -15, -9),
    (-14, -11, -13),
]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("log2s", PAIRS, ids=str)
def test_sums_of_two_scales_are_rounded_as_the_operators_round_them(
    log2s: tuple[int, int, int], sign: int
) -> None:
    *args, out = log2s
    rng = np.random.default_rng(4)
    a, b = rng.integers(-32768, 32768, (2, 1 << 16))
    b[:1000], a[-1000:] = -32768, 32767
    common = 2.0 ** (max(args) + 1)
    left, right = (
        requantize(v << 15, *quantize_multiplier(2.0**log2 / common))
        for v, log2 in zip((a, b), args, strict=True)
    )
    total = left + sign * right
    expected = fx.saturate16(requantize(total, *quantize_multiplier(common / (2.0**15 * 2.0**out))))
    numbers = sum_numbers((args[0], args[1]), out, sign)
    assert numbers is not None
    got = applied(arithmetic.adder(arithmetic.OPS), a, b, numbers=numbers)
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("right", [2, 7, 14, 15, 17, 20])
def test_products_are_rounded_twice(right: int) -> None:
    rng = np.random.default_rng(right)
    a, b = rng.integers(-32768, 32768, (2, 1 << 16))
    a[:256], b[:256] = -32768, np.arange(-128, 128)
    expected = fx.saturate16(requantize(a * b, *quantize_multiplier(2.0**-right)))
    numbers = product_numbers((-right, 0), 0)
    got = applied(arithmetic.multiplier(arithmetic.OPS), a, b, numbers=numbers)
    assert np.array_equal(got, expected)


@pytest.mark.parametrize(
    ("log2s", "out"), [((-15, 0), -15), ((-30, -15), -15)], ids=["far apart", "far below"]
)
def test_scales_that_are_too_far_apart_have_no_form(log2s: tuple[int, int], out: int) -> None:
    assert sum_numbers(log2s, out, 1) is None


# ---- whole layers


def values(network: Any, n: int, steps: int) -> Any:
    """Over the whole range, and in half of the sequences mostly at its ends."""
    x = np.random.default_rng(3).normal(size=(n, steps, network.input_size)) * 60
    x[n // 2 :] *= 5
    return np.clip(np.rint(x), -128, 127).astype(np.int8)


@pytest.mark.parametrize("cell_name", CELLS)
def test_cells_of_one_phase_have_a_kernel(cell_name: str) -> None:
    network = random_network(cell_name, (3, 4))
    quantized = quantize(network, random_input(network, 2, 9), "int8", "composed")
    has_kernel = packed_layer(quantized.layers[0].parts[0]) is not None
    assert has_kernel == (cell_name in ONE_PHASE)


@pytest.mark.parametrize("cell_name", ONE_PHASE)
def test_one_kernel_serves_all_scales_of_a_cell(cell_name: str) -> None:
    kernels, numbers = [], []
    for gain in (0.3, 20.0):
        network = random_network(cell_name, (3, 4), gain=gain)
        x = random_input(network, 2, 9) * np.float32(gain)
        packed = packed_layer(quantize(network, x, "int8", "composed").layers[0].parts[0])
        kernels.append(packed.kernel("step"))
        numbers.append(packed.numbers)
    assert kernels[0] is kernels[1]
    assert numbers[0] != numbers[1]


@pytest.mark.parametrize(
    "cell_name",
    ["gru", *(pytest.param(c, marks=pytest.mark.slow) for c in ONE_PHASE if c != "gru")],
)
def test_sequences_steps_and_batches_equal_the_oracle(cell_name: str) -> None:
    for sizes, gain, clips in (((13, 33), 6.0, True), ((40, 64), 1.0, False)):
        clip = 0.7 if clips and "lstm" in cell_name else 0.0
        network = random_network(cell_name, sizes, gain=gain, cell_clip=clip)
        quantized = quantize(network, random_input(network, 2, 20), "int8", "composed")
        x = values(quantized, 5, 40)
        expected = run(quantized, x, engine="reference")
        assert np.array_equal(run(quantized, x), expected)
        session = Session(quantized)
        assert np.array_equal([session.step(x_t) for x_t in x[0]], expected[0])
        assert "kernel" in repr(session)


def random_layer(rng: np.random.Generator) -> Any:
    cell_name = str(rng.choice(ONE_PHASE))
    sizes = (int(rng.integers(1, 201)), int(rng.integers(1, 201)))
    gain, clip = float(rng.choice([0.3, 1, 6, 40])), float(rng.choice([0, 0, 0.25, 3]))
    network = random_network(
        cell_name,
        sizes,
        gain=gain,
        seed=int(rng.integers(1 << 30)),
        cell_clip=clip if "lstm" in cell_name else 0.0,
    )
    return quantize(network, random_input(network, 4, 20), "int8", "composed")


N_VALUES = int(os.environ.get("EDGELSTM_COMPOSED_VALUES", "500_000"))


@pytest.mark.slow
def test_random_layers_equal_the_oracle() -> None:
    rng, count = np.random.default_rng(12), 0
    while count < N_VALUES:
        network = random_layer(rng)
        x = values(network, 4, 40)
        expected = run(network, x, engine="reference")
        assert np.array_equal(run(network, x), expected)
        session = Session(network)
        assert np.array_equal([session.step(x_t) for x_t in x[-1]], expected[-1])
        count += expected.size + expected[-1].size
    print(f"{count:,} values")
