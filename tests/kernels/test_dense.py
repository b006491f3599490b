"""The kernels of dense layers: what the oracles say, the same bits in every form of call."""

import dataclasses
import sys
from typing import Any

import numba
import numpy as np
import pytest
from numba.core import types

from edgelstm.execution import stages
from edgelstm.execution.fused import packed_layer
from edgelstm.execution.session import Session, run
from edgelstm.kernels import dense, pack_dense
from edgelstm.kernels.simd.arrays import ndarray, parameters
from edgelstm.layers.dense import Dense
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.scales import Scale
from tests.kernels.guarded import guarded
from tests.networks import random_input

ACTIVATIONS = (None, "relu", "sigmoid", "softmax")
# One vector and its edges, one group and its edges, several groups and blocks of them.
SIZES = [(1, 1), (3, 7), (8, 17), (33, 16), (48, 9), (5, 70), (70, 33), (21, 130), (64, 257)]


def head(inputs: int, outputs: int, activation: str | None, seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(outputs, inputs)) * inputs**-0.5
    bias = rng.normal(size=outputs)
    layer = Dense("dense1", weight.astype(np.float32), bias.astype(np.float32), activation)
    return Network((layer,))


def packed_head(network: Any) -> Any:
    return packed_layer(network.layers[0])


def forms(inputs: int, outputs: int) -> list[Any]:
    """A head in every format with every activation that it has there."""
    made: list[Any] = []
    for activation in ACTIVATIONS:
        network = head(inputs, outputs, activation)
        made += [network, quantize(network, None, "hybrid")]
        if activation != "softmax":
            made.append(quantize(network, random_input(network, 4, 9)))
    return made


def input_of(network: Any, n: int, steps: int) -> Any:
    """Raw integers over the whole range at int8."""
    if network.input is None:
        return random_input(network, n, steps)
    rng = np.random.default_rng(5)
    return rng.integers(-128, 128, (n, steps, network.input_size)).astype(np.int8)


def random_int8(rng: np.random.Generator) -> QuantizedNetwork:
    """Sizes of 1 to 70, zero points at the ends, weights that are cut at +-127, any ratio."""
    inputs, outputs = (int(n) for n in rng.integers(1, 71, 2))
    activation = [None, "relu", "sigmoid"][rng.integers(3)]
    network = head(inputs, outputs, activation, seed=int(rng.integers(1 << 30)))
    quantized = quantize(network, random_input(network, 2, 9))
    layer: Any = quantized.layers[0]
    gain = float(rng.choice([1, 1, 4, 200]))
    weight = np.clip(np.rint(layer.weight * gain), -127, 127).astype(np.int8)
    zeros = [int(z) for z in rng.choice([-128, -7, 0, 127], 2)]
    into = Scale(layer.input.scale, zeros[0], "int8")
    linear = Scale(layer.linear.scale * float(rng.choice([0.25, 1, 30])), zeros[1], "int8")
    layer = dataclasses.replace(layer, weight=weight, input=into, linear=linear)
    return dataclasses.replace(quantized, layers=(layer,))


def check_int8(rng: np.random.Generator) -> int:
    """Compares sequences and steps of a random layer; returns how many values."""
    network = random_int8(rng)
    assert packed_head(network) is not None
    x = input_of(network, 3, 29)
    expected = run(network, x, engine="reference")
    assert np.array_equal(run(network, x), expected)
    session = Session(network)
    assert np.array_equal([session.step(x_t) for x_t in x[0]], expected[0])
    return int(expected.size + expected[0].size)


def test_int8_layers_equal_the_oracle() -> None:
    rng = np.random.default_rng(0)
    assert sum(check_int8(rng) for _ in range(60)) > 100_000


@pytest.mark.slow
def test_a_million_int8_values_equal_the_oracle() -> None:
    rng, values = np.random.default_rng(1), 0
    while values < 1_000_000:
        values += check_int8(rng)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_float32_is_within_a_millionth(sizes: tuple[int, int], activation: str | None) -> None:
    network = head(*sizes, activation)
    x = random_input(network, 2, 40)
    expected = forward(network, x)
    # Of the largest output: rounding of sums of up to 70 products, of which some reach 7.
    assert np.abs(run(network, x) - expected).max() < 1e-6 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_hybrid_is_within_a_step_of_the_oracle(
    sizes: tuple[int, int], activation: str | None
) -> None:
    network = quantize(head(*sizes, activation), None, "hybrid")
    x = random_input(network, 2, 40)
    got, expected = run(network, x), run(network, x, engine="reference")
    # A value on an edge between two steps of the rounded x may round either way.
    assert np.abs(got - expected).max() < 2e-2
    assert np.median(np.abs(got - expected)) < 1e-6


@pytest.mark.parametrize("sizes", [(7, 5), (40, 9), (33, 150)], ids=str)
def test_sequence_steps_batch_and_threads_give_the_same_bits(
    sizes: tuple[int, int], monkeypatch: Any
) -> None:
    for network in forms(*sizes):
        x = input_of(network, 5, 53)  # neither a multiple of a tile nor of a chunk
        expected = np.stack([run(network, row) for row in x])
        assert np.array_equal(run(network, x), expected)
        session = Session(network)
        assert np.array_equal([session.step(x_t) for x_t in x[0]], expected[0])
        with monkeypatch.context() as patch:
            patch.setattr(stages, "LEAST_MACS_PER_WORKER", 0)
            patch.setattr("edgelstm.execution.compiled.cores", lambda: 3)
            assert np.array_equal(Session(network, batch=5).run(x), expected)


def test_the_result_may_lie_where_the_input_does() -> None:
    for network in forms(37, 37):
        x = input_of(network, 1, 6)[0]
        expected, session = run(network, x), Session(network)
        for t, x_t in enumerate(x.copy()):
            assert session.step(x_t, out=x_t) is x_t
            assert np.array_equal(x_t, expected[t])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_seen_in_its_row_alone(bad: float) -> None:
    for network in forms(9, 21):
        if network.input is None:
            x = input_of(network, 1, 8)[0]
            x[3, 2] = bad
            y = run(network, x)
            assert np.isfinite(np.delete(y, 3, 0)).all()
            with np.errstate(invalid="ignore"):
                expected = forward(network, x[None])[0] if isinstance(network, Network) else y
            assert np.array_equal(np.isnan(y), np.isnan(expected))
            assert np.isnan(bad) <= np.isnan(y[3]).all()


def test_a_softmax_of_any_size_adds_up_to_one() -> None:
    for outputs in (1, 2, 8, 15, 16, 17, 32, 50):
        network = head(4, outputs, "softmax")
        x = random_input(network, 1, 9)[0] * 1000  # sums that lie hundreds apart
        y = run(network, x)
        assert (y >= 0).all() and np.abs(y.sum(-1) - 1).max() < 1e-6
        assert np.abs(y - forward(network, x[None])[0]).max() < 1e-3  # sums of 1e3 hold 1e-4


def test_an_int8_layer_beyond_32_bits_runs_in_the_program() -> None:
    network = quantize(head(6, 5, None), random_input(head(6, 5, None), 2, 9))
    layer: Any = network.layers[0]
    linear = Scale(layer.linear.scale * 2.0**-22, 0, "int8")
    network = dataclasses.replace(network, layers=(dataclasses.replace(layer, linear=linear),))
    assert packed_head(network) is None
    x = input_of(network, 2, 9)
    assert np.array_equal(run(network, x), run(network, x, engine="reference"))


def test_weights_are_packed_once_per_layer() -> None:
    network = head(5, 16, None)
    assert packed_head(network) is packed_head(network)


def by_address(packed: Any) -> Any:
    """(parameters, address of x, address of y, rows), compiled as a driver would."""
    parts = dense.bound_names(packed.form, f"test_{packed.form.name}")
    rows_at_addresses = parts["rows_at_addresses"]
    signature = types.void(ndarray, types.intp, types.intp, types.intp)

    def call(p: Any, x: int, y: int, n: int) -> None:
        rows_at_addresses(parameters(p), x, y, n)

    return numba.njit(signature)(call).overloads[signature.args].entry_point


@pytest.mark.skipif(sys.platform == "win32", reason="pages are guarded by mprotect")
@pytest.mark.parametrize("form", [0, 1, 2], ids=["float32", "hybrid", "int8"])
def test_by_address_nothing_beyond_the_rows_is_touched(form: int) -> None:
    call = None
    for inputs, outputs in ((1, 1), (5, 3), (13, 17), (16, 70), (7, 150)):
        for network in forms(inputs, outputs)[form::3][:3]:
            packed = packed_head(network)
            call = call or by_address(packed)
            running = pack_dense.RunningDense(packed)
            p = running.link(0, 0, 1, is_step=False).parameters[0]
            for n, at_end in ((1, True), (1, False), (29, True), (29, False)):
                x = guarded(input_of(network, 1, n)[0], at_end=at_end)
                y = guarded(np.zeros((n, outputs), x.dtype), at_end=at_end)
                call(p, x.ctypes.data, y.ctypes.data, n)
                assert np.array_equal(y, run(network, x))
