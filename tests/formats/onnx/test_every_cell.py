"""Every cell as a float and a hybrid .onnx file: computed in ONNX Runtime, and read back."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.formats import read, write
from edgelstm.formats.description import describe
from edgelstm.layers.directions import REVERSE, parts
from edgelstm.layers.read_steps import reading
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forms import refusal
from edgelstm.model.forward import forward
from edgelstm.model.network import Layer, Network
from edgelstm.model.precision import HYBRID
from edgelstm.quantization import reference
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.rounding import ONNXRUNTIME
from tests.networks import random_direction, random_input, random_network
from tests.onnx_files import AnyNetwork, Array, model, run, session, snr_db, stream

CLIPPED = {"cell_clip": 0.4}
HAS_C = [name for name, spec in CELLS.items() if "c" in spec.states]
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in CELLS},
    **{f"{name}, clipped": (name, CLIPPED) for name in HAS_C},
    **{f"{name}, projected": (name, {"projection": 3}) for name in HAS_C},
    "rnn, relu": ("rnn", {"nonlinearity": "relu"}),
    "lstm_coupled_peephole, both": ("lstm_coupled_peephole", {"projection": 3, **CLIPPED}),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def one_layer(kind: str, sizes: tuple[int, int], *, both: bool = False, gain: float = 1) -> Network:
    cell_name, own = KINDS[kind]
    inputs, units = sizes
    rng = np.random.default_rng(3)
    names = ("net", f"net{REVERSE}") if both else ("net",)
    options, chosen = {k: v for k, v in own.items() if k != "nonlinearity"}, own.get("nonlinearity")
    made = [random_direction(cell_name, inputs, units, rng, gain=gain, **options) for _ in names]
    named = (
        dataclasses.replace(direction, name=name, nonlinearity=chosen or "tanh")
        for direction, name in zip(made, names, strict=True)
    )
    return Network((Recurrent(tuple(named)),))


def has_hybrid(kind: str) -> bool:
    return refusal(one_layer(kind, (1, 1)).layers[0].parts[0], HYBRID) is None


every_hybrid_kind = pytest.mark.parametrize("kind", [*filter(has_hybrid, KINDS)])
FILES = [
    (kind, precision)
    for kind in KINDS
    for precision in ("float32", "hybrid")
    if precision == "float32" or has_hybrid(kind)
]


def given(network: Network, precision: str) -> AnyNetwork:
    return network if precision == "float32" else quantize(network, None, "hybrid")


def assert_close(got: Array, expected: Array) -> None:
    """As `verify`: float32 sums in another order than those in float64."""
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= 1e-5 * max(1, np.abs(expected).max())


# ---- float32


@every_kind
@pytest.mark.parametrize("sizes", [(1, 1), (5, 3), (13, 33)])
@pytest.mark.parametrize("saturating", [False, True])
def test_float_files_match_the_equations_at_any_batch_and_steps(
    kind: str, sizes: tuple[int, int], saturating: bool
) -> None:
    # without gates, or with an h of any size, larger weights make a chaos of the last bit
    most = 1.5 if "rnn" in kind or "projection" in KINDS[kind][1] else 6
    network = one_layer(kind, sizes, gain=most if saturating else 1)
    opened = session(model(network))
    for n, steps in ((1, 1), (3, 20)):
        x = random_input(network, n, steps)
        assert_close(opened.run(["y"], {"x": x})[0], forward(network, x))


@every_kind
def test_both_directions_match_the_equations(kind: str) -> None:
    network = one_layer(kind, (5, 6), both=True)
    x = random_input(network, 3, 11)
    assert_close(run(network, x), forward(network, x))


@pytest.mark.parametrize("last_step", [False, True])
@pytest.mark.parametrize("first", CELLS)
def test_layers_of_two_cells_stream_as_the_whole_sequence(first: str, last_step: bool) -> None:
    second = {"mgu": "lstm_peephole"}.get(first, "mgu")
    layers: list[Layer] = [
        *random_network(first, (4, 6)).layers,
        *random_network(second, (6, 5), outputs=2, activation="relu").layers,
    ]
    network = Network(reading(layers, last_step=last_step))
    x = random_input(network, 3, 9)
    assert_close(run(network, x), forward(network, x))
    every = Network(reading(layers, last_step=False))
    assert_close(stream(network, x), forward(every, x))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize(("cell_name", "module"), [("rnn", "RNN"), ("lstm", "LSTM")])
def test_a_loop_and_an_operator_match_torch(cell_name: str, module: str) -> None:
    torch = pytest.importorskip("torch", reason="pip install torch")
    projection = 3 if cell_name == "lstm" else 0
    network = Network(
        (
            Recurrent(
                (
                    random_direction(
                        cell_name, 4, 7, np.random.default_rng(0), projection=projection
                    ),
                )
            ),
        )
    )
    options = {"proj_size": projection} if projection else {}
    twin = getattr(torch.nn, module)(4, 7, batch_first=True, **options)
    [layer] = parts(network.layers)
    twin.load_state_dict({f"{k}_l0": torch.from_numpy(a) for k, a in layer.arrays.items()})
    x = random_input(network, 2, 15)
    assert_close(run(network, x), twin(torch.from_numpy(x))[0].detach().numpy())


# ---- hybrid


@every_hybrid_kind
@pytest.mark.parametrize("sizes", [(1, 1), (7, 33)])
def test_hybrid_files_stay_close_to_float_and_are_their_twin(
    kind: str, sizes: tuple[int, int]
) -> None:
    floats = one_layer(kind, sizes)
    network = quantize(floats, None, "hybrid")
    x = random_input(network, 4, 50)
    expected = forward(floats, x)
    assert snr_db(expected, run(network, x)) > 25
    assert snr_db(expected, stream(network, x)) > 25
    for one in x[:, None]:  # a batch shares scales
        start = reference.initial_states(network, 1)
        twin = reference.advance(network, one, start, ONNXRUNTIME)[0]
        # where float32 rounds to the other of two integers, all that follows differs
        assert np.median(np.abs(run(network, one) - twin)) < 1e-6


@every_hybrid_kind
def test_both_directions_stay_close_to_float(kind: str) -> None:
    floats = one_layer(kind, (5, 12), both=True)
    x = random_input(floats, 3, 20)
    assert snr_db(forward(floats, x), run(given(floats, "hybrid"), x)) > 25


# ---- which operator, and what stands in the file

LSTMS = ("lstm", "lstm_peephole", "lstm_coupled", "lstm_coupled_peephole")
WRITTEN_AS = {
    **{("float32", name): "LSTM" for name in LSTMS},
    **{("hybrid", name): "DynamicQuantizeLSTM" for name in LSTMS},
    ("float32", "gru"): "GRU",
    ("float32", "gru_reset_before"): "GRU",
    ("float32", "rnn"): "RNN",
    ("float32", "rnn, relu"): "RNN",
}


@pytest.mark.parametrize(("kind", "precision"), FILES)
def test_a_layer_is_an_operator_where_there_is_one(kind: str, precision: str) -> None:
    network = one_layer(kind, (3, 4))
    kinds = [node.op_type for node in model(given(network, precision)).graph.node]
    expected = WRITTEN_AS.get((precision, kind), "Scan")
    recurrent = {"LSTM", "GRU", "RNN", "DynamicQuantizeLSTM", "Scan"}
    assert [name for name in kinds if name in recurrent] == [expected]


@pytest.mark.parametrize(("kind", "precision"), FILES)
@pytest.mark.parametrize("called", ["whole", "streaming", "both directions"])
def test_every_file_reads_back_as_the_same_network(
    kind: str, precision: str, called: str, tmp_path: Path
) -> None:
    network = given(one_layer(kind, (3, 4), both=called == "both directions"), precision)
    got = read(write(network, tmp_path / "net.onnx", streaming=called == "streaming"))
    assert_same(got, network)


def assert_same(got: AnyNetwork, network: AnyNetwork) -> None:
    """The operators of a float file say all but the names of layers."""
    if isinstance(network, QuantizedNetwork):
        assert describe(got) == describe(network)
    assert type(got) is type(network)
    for ours, theirs in zip(parts(got.layers), parts(network.layers), strict=True):
        assert ours.sizes == theirs.sizes
        assert getattr(ours, "cell_clip", 0) == getattr(theirs, "cell_clip", 0)
        for name, expected in theirs.arrays.items():
            np.testing.assert_array_equal(ours.arrays[name], expected, strict=True)


def test_operators_and_loops_in_one_file_read_back(tmp_path: Path) -> None:
    layers = [
        *random_network("gru", (4, 6)).layers,
        *random_network("mgu", (6, 5)).layers,
        *random_network("lstm_peephole", (5, 3), outputs=2, activation="softmax").layers,
    ]
    network = Network(reading(layers, last_step=True), ("the head reads the last step",))
    got = read(write(network, tmp_path / "net.onnx"))
    assert describe(got) == describe(network)
    assert_same(got, network)


@pytest.mark.parametrize("cell_name", ["lstm", "lstm_coupled", "lstm_peephole", "gru", "mgu"])
def test_weights_of_zero_are_still_those_of_their_cell(cell_name: str, tmp_path: Path) -> None:
    [layer] = parts(random_network(cell_name, (3, 4)).layers)
    zeros = {name: np.zeros_like(array) for name, array in layer.arrays.items()}
    network = Network((Recurrent((dataclasses.replace(layer, **zeros),)),))
    assert_same(read(write(network, tmp_path / "net.onnx")), network)
