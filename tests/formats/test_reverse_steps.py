"""Layers that read from the last step to the first, alone: read, run, written and read again."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.helper import make_node

from edgelstm.cost.arena import arena
from edgelstm.cost.count_ops import count
from edgelstm.errors import ModelError
from edgelstm.execution.session import Session, run
from edgelstm.formats import encode, facts, read, write
from edgelstm.formats.description import describe
from edgelstm.formats.tflite.model import Operator
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import ReadSteps, reading
from edgelstm.layers.reverse_steps import ReverseSteps
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes.arena import smallest_arena
from edgelstm.verification.verifier import verify
from tests.foreign_onnx import GATES, HIDDEN, INPUTS, OUTPUTS, constants, node, save
from tests.networks import random_input, random_recurrent, uniform
from tests.onnx_files import session
from tests.present import expected_status
from tests.tflite_files import read_bytes
from tests.while_graphs import constant, edited, values_of

# What behind a node gives y: each step, the last one of time, the state in which it ends.
BEHIND: dict[str, list[onnx.NodeProto]] = {
    "each": [node("Squeeze", "Y one", "h")],
    "last": [node("Squeeze", "Y one", "s"), node("Gather", "s end", "h", axis=0)],
    "final state": [node("Squeeze", "Y_h zero", "h")],
}


def backward(operator: str, x: str = "x", y: str = "Y", **more: Any) -> onnx.NodeProto:
    return make_node(
        operator, [x, "W", "R", "B"], [y, f"{y}_h"], y, hidden_size=HIDDEN, direction="reverse"
    )


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("operator", GATES)
def test_a_node_of_direction_reverse_is_read(operator: str, behind: str, tmp_path: Path) -> None:
    nodes = [backward(operator), *BEHIND[behind], node("MatMul", "h M")]
    path = save(tmp_path / "net.onnx", nodes, constants(GATES[operator]))
    x = np.random.default_rng(0).normal(size=(3, 7, INPUTS)).astype(np.float32)
    (expected,) = session(onnx.load(path)).run(None, {"x": x.swapaxes(0, 1)})
    expected = expected.swapaxes(0, 1) if behind == "each" else expected
    network: Any = read(path)
    np.testing.assert_allclose(forward(network, x), expected, atol=2e-6)
    engine = None if operator == "LSTM" else "reference"  # one cell is enough to compile
    np.testing.assert_allclose(run(network, x, engine=engine), expected, atol=2e-6)
    assert network.last_step == (behind != "each")


def test_what_is_done_to_the_input_stays_in_front(tmp_path: Path) -> None:
    nodes = [node("Sub", "x m", "c"), node("Div", "c s", "n"), backward("LSTM", "n")]
    arrays = constants() | {"m": np.full(INPUTS, 3, np.float32), "s": np.full(1, 2, np.float32)}
    network: Any = read(save(tmp_path / "net.onnx", [*nodes, node("Squeeze", "Y one")], arrays))
    assert (network.input_mean == 3).all() and (network.input_std == 2).all()
    assert np.array_equal(network.layers[1].arrays["weight_ih"][:4], arrays["W"][0, :4])


def test_two_such_nodes_turn_the_steps_twice_in_all(tmp_path: Path) -> None:
    arrays = constants() | {"W": constants()["R"]}
    first, moved = backward("LSTM", y="Y1"), node("Squeeze", "Y1 one", "x2")
    nodes = [first, moved, backward("LSTM", "x2"), node("Squeeze", "Y one")]
    path = save(tmp_path / "net.onnx", nodes, arrays, x_shape=("steps", "batch", HIDDEN))
    network: Any = read(path)
    kinds = [layer.kind for layer in network.layers]
    assert kinds == ["reverse_steps", "recurrent", "recurrent", "reverse_steps"]
    x = np.random.default_rng(1).normal(size=(2, 6, HIDDEN)).astype(np.float32)
    (expected,) = session(onnx.load(path)).run(None, {"x": x.swapaxes(0, 1)})
    np.testing.assert_allclose(run(network, x), expected.swapaxes(0, 1), atol=2e-6)


def network_of(cell: str, behind: str = "last", units: int = 9) -> Network:
    rng = np.random.default_rng(units)
    layers: list[Any] = [ReverseSteps(INPUTS), random_recurrent(cell, INPUTS, units, rng)]
    if behind != "final state":
        layers.append(ReverseSteps(units))
    head = Dense("dense1", uniform(rng, (OUTPUTS, units), 0.5), uniform(rng, (OUTPUTS,), 0.5))
    return Network(reading((*layers, head), last_step=behind != "each"))


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
@pytest.mark.parametrize("precision", ["float32", "hybrid", "int8", "int16x8"])
@pytest.mark.parametrize(("cell", "behind"), [("lstm", "each"), ("gru", "last")])
def test_written_files_are_equal_in_every_runtime_and_read_back(
    cell: str, behind: str, precision: str, suffix: str, tmp_path: Path
) -> None:
    network: Any = network_of(cell, behind)
    x = random_input(network, 8, 9)
    if precision != "float32":
        network = quantize(network, x, precision)
    path = write(network, tmp_path / f"net{suffix}", steps=9)
    refused = facts(path).refused_by
    found = verify(path, network, n_sequences=8, steps=9).verified
    assert "ok" in [v.status for v in found]
    for one in found:
        if one.runtime not in refused:
            assert one.status == expected_status(one.runtime), one
            assert one.mismatches in (0, None)
    again: Any = read(path)
    assert [layer.kind for layer in again.layers] == [layer.kind for layer in network.layers]
    got, expected = (run(n, x, engine="reference") for n in (again, network))
    np.testing.assert_allclose(got, expected, atol=2e-6 if network.input is None else 0)
    copy = read(write(network, tmp_path / "net.npz"))
    assert describe(copy) == describe(network)
    assert np.array_equal(run(copy, x, engine="reference"), expected)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_each_call_of_a_session_begins_anew(precision: str) -> None:
    network: Any = network_of("lstm")
    x = random_input(network, 3, 8)
    network = network if precision == "float32" else quantize(network, x, precision)
    for engine in ("numba", "reference"):
        opened = Session(network, 3, engine=engine)
        first = opened.run(x)
        assert opened.state == {}
        assert np.array_equal(opened.run(x), first)
        with pytest.raises(ModelError, match="'reverse_steps': it begins at the last step, so no"):
            opened.step(x[:, 0])


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_what_needs_single_steps_is_refused(suffix: str) -> None:
    with pytest.raises(ModelError, match="it begins at the last step.*files without streaming"):
        encode(network_of("lstm"), suffix, streaming=True)
    with pytest.raises(ModelError, match="it turns the steps round: a reverse direction begins at"):
        encode(network_of("lstm"), "_c")


@pytest.mark.parametrize("behind", [ReadSteps(4, ("mean",)), ReverseSteps(4)])
def test_an_onnx_file_of_dense_layers_alone_reads_over_the_steps(behind: Any) -> None:
    rng = np.random.default_rng(3)
    head = Dense("dense1", uniform(rng, (4, INPUTS), 1.0), uniform(rng, (4,), 1.0))
    network = Network((head, behind))
    x = random_input(network, 2, 6)
    (got,) = session(onnx.load_from_string(encode(network, ".onnx")[""])).run(None, {"x": x})
    np.testing.assert_allclose(got, behind.read(x @ head.weight.T + head.bias), atol=2e-6)


def test_what_was_read_is_not_turned_round() -> None:
    layers = network_of("lstm", "final state").layers
    at = next(k for k, layer in enumerate(layers) if isinstance(layer, ReadSteps))
    with pytest.raises(ModelError, match="read once, directly behind the last recurrent layer"):
        Network((*layers[: at + 1], ReverseSteps(9), *layers[at + 1 :]))


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_arena_that_is_computed_suffices(cell: str, precision: str, tmp_path: Path) -> None:
    network: Any = network_of(cell, "each", units=40)
    if precision == "int8":
        network = quantize(network, random_input(network, 8, 30), precision)
    measured = smallest_arena(write(network, tmp_path / "net.tflite", steps=30))
    computed = arena(count(network, precision=precision).buffers, 30)
    assert measured is None or measured <= sum(dataclasses.astuple(computed))


@pytest.mark.parametrize("name", ["lstm", "two_lstms_each_step"])
def test_a_loop_behind_a_reversal_is_read(name: str, tmp_path: Path) -> None:
    def turn(operators: list[Operator]) -> None:
        """Of x, in front of its first reader."""
        x: Any = operators[0].inputs[0]
        turned = dataclasses.replace(x, name="turned")
        operators[:] = [
            dataclasses.replace(op, inputs=tuple(turned if t is x else t for t in op.inputs))
            for op in operators
        ]
        operators.insert(0, Operator("REVERSE_V2", (x, constant([1])), (turned,), version=3))

    x, expected = values_of(name)
    got = run(read_bytes(edited(name, 0, turn), tmp_path), x[:, ::-1], engine="reference")
    np.testing.assert_allclose(got.ravel(), expected.ravel(), atol=1e-5)
