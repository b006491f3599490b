"""ONNX files of others: both of PyTorch's exporters, and other ways to write the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.helper import make_node, make_tensor

from edgelstm.errors import ModelError
from edgelstm.formats import read, write
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from tests.foreign_onnx import HIDDEN, INPUTS, OUTPUTS, constants, lstm, node, save
from tests.networks import random_network
from tests.present import imported
from tests.torch_modules import (
    HEADS,
    Net,
    assert_computes_the_same,
    assert_same_weights,
    hidden_layer,
    last_of_output,
    last_state,
    outputs_and_state,
    to_onnx,
    zero_states,
)

ort = imported("onnxruntime", "onnxruntime")


def read_float(path: Path, **options: Any) -> Network:
    network = read(path, **options)
    assert isinstance(network, Network)
    return network


def assert_matches_onnxruntime(network: Network, path: Path, steps_first: bool = True) -> None:
    x = np.random.default_rng(3).normal(size=(3, 6, INPUTS)).astype(np.float32)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    (expected, *_) = session.run(None, {"x": x.swapaxes(0, 1) if steps_first else x})
    got = forward(network, x)
    if not network.last_step and steps_first:
        got = got.swapaxes(0, 1)
    np.testing.assert_allclose(got, expected, atol=1e-6)  # float32 sums of a few steps


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind, n_layers", [("LSTM", 1), ("LSTM", 2), ("GRU", 2)])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("free", [True, False])
def test_what_the_torchscript_exporter_writes_is_read(
    head: Callable[[Any, Any], Any],
    kind: str,
    n_layers: int,
    batch_first: bool,
    free: bool,
    tmp_path: Path,
) -> None:
    module = Net(head, kind, n_layers, batch_first)
    got = read_float(to_onnx(module, tmp_path / "net.onnx", dynamo=False, free=free))
    assert got.last_step is (head in (last_of_output, last_state, zero_states))
    assert_same_weights(got, module)
    assert_computes_the_same(got, module, batch_first)


@pytest.mark.slow
@pytest.mark.parametrize(
    "head, kind, n_layers, batch_first, free",
    [
        (last_of_output, "LSTM", 2, True, True),
        (last_state, "GRU", 2, True, True),
        (hidden_layer, "LSTM", 1, True, False),
        (zero_states, "LSTM", 1, False, False),
        (outputs_and_state, "GRU", 2, False, True),
        (last_of_output, "LSTM", 2, False, True),
    ],
)
def test_what_the_dynamo_exporter_writes_is_read(
    head: Callable[[Any, Any], Any],
    kind: str,
    n_layers: int,
    batch_first: bool,
    free: bool,
    tmp_path: Path,
) -> None:
    module = Net(head, kind, n_layers, batch_first)
    got = read_float(to_onnx(module, tmp_path / "net.onnx", dynamo=True, free=free))
    assert got.last_step is (head in (last_of_output, last_state, zero_states))
    assert_same_weights(got, module)
    assert_computes_the_same(got, module, batch_first)
    if head is outputs_and_state:
        assert any("outputs the first" in sentence for sentence in got.assumed)
    if free and not batch_first:
        assert "the file fits a size of 6 on axis 0 alone; here any size does" in got.assumed


@pytest.mark.parametrize("cell_name", ["lstm", "gru", "gru_reset_before"])
@pytest.mark.parametrize("outputs, last_step", [(0, False), (3, True), (3, False)])
@pytest.mark.parametrize("streaming", [False, True])
def test_our_own_files_come_back_bit_for_bit(
    cell_name: str, outputs: int, last_step: bool, streaming: bool, tmp_path: Path
) -> None:
    activation = "sigmoid" if outputs else None
    network = random_network(
        cell_name, (5, 8, 4), outputs=outputs, last_step=last_step, activation=activation
    )
    path = write(network, tmp_path / "net.onnx", streaming=streaming)
    got = read_float(path)
    assert got.last_step is last_step or streaming  # one step is the last one
    for layer, other in zip(parts(got.layers), parts(network.layers), strict=True):
        assert layer.name == other.name
        assert getattr(layer, "activation", None) == getattr(other, "activation", None)
        assert getattr(layer, "cell_name", None) == getattr(other, "cell_name", None)
        for name, array in layer.arrays.items():
            np.testing.assert_array_equal(array, other.arrays[name])


HEAD = [node("MatMul", "last M", "product"), node("Add", "C product")]
GEMM = node("Gemm", "last M C")
ENDS = {
    "Squeeze of Y_h, MatMul, Add": [node("Squeeze", "Y_h zero", "last"), *HEAD],
    "Gather of Y_h, Gemm": [node("Gather", "Y_h end", "last", axis=0), GEMM],
    "Reshape of Y_h": [node("Reshape", "Y_h rows", "last"), GEMM],
    "Slice and Squeeze of Y": [
        node("Slice", "Y zero stop zero", "whole"),
        node("Slice", "whole minus stop zero", "cut"),
        node("Squeeze", "cut", "last"),
        *HEAD,
    ],
    "Gather and Flatten of Y": [
        node("Gather", "Y end", "step", axis=0),
        node("Transpose", "step", "turned", perm=[1, 0, 2]),
        node("Flatten", "turned", "last"),
        GEMM,
        node("Identity", "y", "z"),
        node("Dropout", "z", "d"),
        node("Cast", "d", "e", to=TensorProto.DOUBLE),
        node("Cast", "e", "f", to=TensorProto.FLOAT),
        node("Relu", "f", "end_of_it"),
    ],
    "each step": [
        node("Squeeze", "Y one", "rows_of_steps"),
        node("MatMul", "rows_of_steps M", "product"),
        node("Add", "product C", "sum"),
        node("Softmax", "sum", axis=2),
    ],
    "gather with one index": [
        node("Gather", "Y last_index", "step", axis=0),
        node("Squeeze", "step both", "last"),
        *HEAD,
        node("Unsqueeze", "y zero", "more"),
        node("Squeeze", "more zero", "less"),
        node("Sigmoid", "less", "end_of_it"),
    ],
}
NUMBERS = {
    "rows": np.array([-1, HIDDEN]),
    "minus": np.array([-1]),
    "stop": np.array([2**63 - 1]),
    "last_index": np.array([-1]),
    "both": np.array([0, 1]),
}


@pytest.mark.parametrize("nodes", ENDS.values(), ids=ENDS)
def test_many_ways_to_the_same_head_are_read(nodes: list[Any], tmp_path: Path) -> None:
    output = nodes[-1].output[0]
    path = save(tmp_path / "n.onnx", [lstm(), *nodes], constants() | NUMBERS, output=output)
    got = read_float(path)
    assert [layer.name for layer in parts(got.layers)] == ["lstm1", "dense1"]
    assert_matches_onnxruntime(got, path)


@pytest.mark.parametrize("attributes", [{"linear_before_reset": 1}, {"linear_before_reset": 0}, {}])
@pytest.mark.parametrize("biases", [["B"], []])
def test_both_forms_of_the_gru_are_read(
    attributes: dict[str, int], biases: list[str], tmp_path: Path
) -> None:
    options: dict[str, Any] = {"hidden_size": HIDDEN, **attributes}
    nodes = [
        make_node("GRU", ["x", "W", "R", *biases], ["Y"], **options),
        node("Squeeze", "Y one"),
    ]
    path = save(tmp_path / "net.onnx", nodes, constants(3))
    got = read_float(path)
    (layer,) = got.layers
    assert isinstance(layer, Recurrent)
    expected = "gru" if attributes.get("linear_before_reset") else "gru_reset_before"
    assert layer.cell_name == expected and layer.forward.bias_ih.any() == bool(biases)
    assert_matches_onnxruntime(got, path)


@pytest.mark.parametrize("biases", [["B"], []])
def test_the_plain_recurrent_operator_is_read(biases: list[str], tmp_path: Path) -> None:
    nodes = [
        make_node("RNN", ["x", "W", "R", *biases], ["Y"], hidden_size=HIDDEN),
        node("Squeeze", "Y one"),
    ]
    path = save(tmp_path / "net.onnx", nodes, constants(1))
    got = read_float(path)
    assert [layer.name for layer in got.layers] == ["rnn1"]
    assert_matches_onnxruntime(got, path)


def test_peepholes_are_read_and_a_gate_that_is_its_negative_is_not_stored(tmp_path: Path) -> None:
    arrays = constants() | {"P": np.linspace(-1, 1, 3 * HIDDEN, dtype=np.float32)[None]}
    nodes = [lstm("", "", "", "P"), node("Squeeze", "Y one")]
    path = save(tmp_path / "net.onnx", nodes, arrays)
    [layer] = parts(read_float(path).layers)
    assert layer.cell_name == "lstm_peephole"
    assert_matches_onnxruntime(read_float(path), path)
    i, f = slice(0, HIDDEN), slice(2 * HIDDEN, 3 * HIDDEN)  # of i o f c
    for name in "WRP":
        arrays[name][:, i] = -arrays[name][:, f]
    assert parts(read_float(save(path, nodes, arrays)).layers)[0].cell_name == "lstm_peephole"
    for b in np.split(arrays["B"], 2, axis=1):
        b[:, i] = -b[:, f]
    coupled = read_float(save(path, nodes, arrays))
    assert parts(coupled.layers)[0].cell_name == "lstm_coupled_peephole"
    assert_matches_onnxruntime(coupled, path)


def test_axes_and_slices_of_older_opsets_are_attributes(tmp_path: Path) -> None:
    nodes = [
        lstm(),
        node("Slice", "Y", "cut", starts=[-1], ends=[2**31], axes=[0]),
        node("Squeeze", "cut", "last", axes=[0, 1]),
        *HEAD,
        node("Unsqueeze", "y", "more", axes=[0]),
        node("Squeeze", "more", "less", axes=[0]),
        node("Softmax", "less", "z"),
    ]
    path = save(tmp_path / "net.onnx", nodes, opset=9, output="z")
    got = read_float(path)
    assert got.last_step and getattr(got.layers[-1], "activation", None) == "softmax"
    assert_matches_onnxruntime(got, path)


def test_weights_may_be_rearranged_half_or_outside(tmp_path: Path) -> None:
    arrays_ = constants() | {"turned": constants()["M"].T.astype(np.float16)}
    nodes = [
        lstm(),
        node("Squeeze", "Y_h zero", "last"),
        node("Transpose", "turned", "half"),
        node("Cast", "half", "single", to=TensorProto.FLOAT),
        node("Gemm", "last single C"),
    ]
    path = save(tmp_path / "net.onnx", nodes, arrays_)
    model = onnx.load(path)
    weights = [t for t in model.graph.initializer if t.name == "C"]
    weights[0].CopyFrom(make_tensor("C", TensorProto.FLOAT, (OUTPUTS,), [0.5, -1, 2]))
    path.write_bytes(model.SerializeToString())
    inside = read_float(path)
    assert_matches_onnxruntime(inside, path)
    onnx.save(model, path, save_as_external_data=True, location="net.data", size_threshold=0)
    outside = read_float(path)
    for layer, other in zip(inside.layers, outside.layers, strict=True):
        for name, array in layer.arrays.items():
            np.testing.assert_array_equal(array, other.arrays[name])


def test_double_weights_are_rounded_and_said(tmp_path: Path) -> None:
    arrays_ = {k: v.astype(np.float64) if k in "WRB" else v for k, v in constants().items()}
    arrays_["B"] += 1e-12
    path = save(tmp_path / "n.onnx", [lstm()], arrays_, output="Y", x_type=TensorProto.DOUBLE)
    assert read_float(path).assumed == ("float64 weights are rounded to float32",)


def test_a_file_of_one_step_is_read_as_one_of_many(tmp_path: Path) -> None:
    nodes = [lstm(), node("Squeeze", "Y_h zero", "last"), *HEAD]
    path = save(tmp_path / "net.onnx", nodes, x_shape=(1, 1, INPUTS))
    got = read_float(path)
    assert got.last_step and got.output_size == OUTPUTS
    assert got.assumed == (
        "the graph has one step alone; with more of them it gives the last step",
    )


def test_what_is_expected_is_compared_with_what_the_graph_says(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", [lstm(), node("Squeeze", "Y_h zero", "last"), *HEAD])
    assert read_float(path, head="last").last_step
    with pytest.raises(ModelError, match="net.onnx: the file gives the last step; leave head out"):
        read(path, head="each")
    with pytest.raises(ModelError, match="net.onnx: the file ends with no activation, not"):
        read(path, activation="relu")
