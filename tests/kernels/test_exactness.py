"""The fused kernels compute what the oracles do, in every format."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.execution import stages
from edgelstm.execution.bytecode import encode
from edgelstm.execution.chained import Chained
from edgelstm.execution.fused import packed_layer
from edgelstm.execution.session import Session, run
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.model.precision import HYBRID
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.scales import Scale
from tests.networks import random_input, random_network, random_recurrent
from tests.parameters import cells_of, compiled

CELL_LOG2 = range(-15, -8)


def with_cell_scale(network: QuantizedNetwork, log2: int) -> QuantizedNetwork:
    """The same integers with another scale of the cell state."""
    layers = []
    for layer in parts(network.layers):
        cell = Scale(2.0**log2, 0, "int16")
        roles = layer.plan.roles
        scales = {v: cell if roles[v] == "cell" else s for v, s in layer.scales.items()}
        layers.append(Recurrent((dataclasses.replace(layer, scales=scales),)))
    return dataclasses.replace(network, layers=tuple(layers))


def integers(network: QuantizedNetwork, n: int, steps: int, seed: int = 3) -> Any:
    """Over the whole range, and in half of the sequences mostly at its ends."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, steps, network.input_size)) * 60
    x[n // 2 :] *= 5
    return np.clip(np.rint(x), -128, 127).astype(np.int8)


def random_int8(rng: np.random.Generator) -> QuantizedNetwork:
    """Any size from 1 to 300, weights up to hard saturation, any cell scale, at times a clip."""
    sizes = (int(rng.integers(1, 301)), int(rng.integers(1, 301)))
    gain, clip = float(rng.choice([0.3, 1, 6, 40])), float(rng.choice([0, 0, 0.25, 3]))
    network = random_network(
        "lstm", sizes, gain=gain, cell_clip=clip, seed=int(rng.integers(1 << 30))
    )
    quantized = quantize(network, random_input(network, 4, 20))
    return with_cell_scale(quantized, int(rng.choice(CELL_LOG2)))


@pytest.mark.slow
def test_a_million_int8_values_equal_the_oracle() -> None:
    rng, values = np.random.default_rng(11), 0
    while values < 1_000_000:
        network = random_int8(rng)
        x = integers(network, 4, 40)
        expected = run(network, x, engine="reference")
        assert np.array_equal(run(network, x), expected)
        session = Session(network)
        assert np.array_equal([session.step(x_t) for x_t in x[-1]], expected[-1])
        values += expected.size + expected[-1].size
    print(f"{values:,} values")


@pytest.mark.parametrize("log2", CELL_LOG2)
@pytest.mark.parametrize("gain", [1, 12])
def test_every_cell_scale_equals_the_oracle(log2: int, gain: float) -> None:
    network = random_network("lstm", (9, 37), gain=gain)
    quantized = with_cell_scale(quantize(network, random_input(network, 4, 20)), log2)
    x = integers(quantized, 4, 50)
    session = Session(quantized, batch=4)
    assert np.array_equal(session.run(x), run(quantized, x, engine="reference"))
    reference = Session(quantized, batch=4, engine="reference")
    reference.run(x)
    for state in ("h", "c"):
        assert np.array_equal(session.state["lstm1"][state], reference.state["lstm1"][state])


@pytest.mark.parametrize("cell_name", compiled(CELLS))
@pytest.mark.parametrize("sizes", [(1, 1), (3, 17), (20, 100), (64, 256)], ids=str)
def test_float32_is_within_a_millionth(cell_name: str, sizes: tuple[int, ...]) -> None:
    network = random_network(cell_name, sizes)
    x = random_input(network, 2, 60)
    # Rounding of sums of up to 320 products; the states stay within +-1.
    assert np.abs(run(network, x) - forward(network, x)).max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("cell_name", ["lstm", "lstm_peephole", "lstm_coupled"])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 40, 7), (5, 16, 33), (8, 33, 16)], ids=str)
def test_a_projected_layer_is_within_a_millionth(
    cell_name: str, sizes: tuple[int, int, int]
) -> None:
    rng, (inputs, hidden, outputs) = np.random.default_rng(5), sizes
    layers = (
        random_recurrent(cell_name, inputs, hidden, rng, name="a", projection=outputs),
        random_recurrent(
            cell_name, outputs, hidden, rng, name="b", projection=outputs, cell_clip=0.3
        ),
    )
    network = Network(layers)
    x = random_input(network, 4, 40)
    expected = run(network, x)
    assert np.abs(expected - forward(network, x)).max() < 1e-6
    session = Session(network)
    assert np.array_equal([session.step(x_t) for x_t in x[0]], expected[0])
    assert {s: v.shape for s, v in session.state["b"].items()} == {"h": (outputs,), "c": (hidden,)}


@pytest.mark.parametrize("cell_name", CELLS)
def test_every_cell_has_a_fused_kernel_in_float32(cell_name: str) -> None:
    assert packed_layer(random_network(cell_name, (3, 4)).layers[0].parts[0]) is not None


@pytest.mark.parametrize("cell_name", compiled(cells_of(HYBRID)))
@pytest.mark.parametrize("sizes", [(1, 1), (3, 17), (40, 64)], ids=str)
def test_hybrid_is_within_a_step_of_the_oracle(cell_name: str, sizes: tuple[int, int]) -> None:
    network = quantize(random_network(cell_name, sizes), None, "hybrid")
    x = random_input(network, 2, 40)
    # Float gates; a value on an edge between two steps of the rounded h may round either way.
    got, expected = run(network, x), run(network, x, engine="reference")
    assert np.abs(got - expected).max() < 2e-2
    assert np.median(np.abs(got - expected)) < 1e-6


def test_weights_are_packed_once_per_layer() -> None:
    network = random_network("lstm", (5, 16))
    assert packed_layer(network.layers[0].parts[0]) is packed_layer(network.layers[0].parts[0])


def test_a_program_gives_what_the_fused_kernels_give() -> None:
    network = random_network("gru_reset_before", (4, 6, 5), outputs=2)
    x = random_input(network, 2, 9)
    program = Chained([stages.ProgramStage(encode(parts(network.layers)), 2)], (4, x.dtype), 2)
    got = np.empty((2, 9, 2), np.float32)
    assert program.call(is_step=False)(x, got) == 0
    assert np.abs(got - forward(network, x)).max() < 2e-6  # as in test_session.py
