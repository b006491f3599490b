"""ONNX files that no network here computes: the node, what it says, and what is needed."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.helper import make_node, make_tensor_value_info

from edgelstm.errors import ModelError
from edgelstm.formats import read
from tests.foreign_onnx import HIDDEN, INPUTS, constants, lstm, node, save

TO_LAST = node("Squeeze", "Y_h zero", "last")
ADDED = [node("MatMul", "last M", "product"), node("Add", "product C")]
REFUSED: dict[str, tuple[list[Any], str]] = {
    "clip": (
        [lstm(clip=3.0)],
        "'LSTM_3' (LSTM): has clip=3.0, which no target supports; export it without",
    ),
    "input_forget": ([lstm(input_forget=1)], "has input_forget=1; only 0 is supported"),
    "activations": (
        [lstm(activations=["HardSigmoid", "Tanh", "Tanh"])],
        "has activations=['HardSigmoid', 'Tanh', 'Tanh']; only ['Sigmoid', 'Tanh', 'Tanh']",
    ),
    "alpha": ([lstm(activation_alpha=[0.5])], "has activation_alpha=[0.5], which sigmoid and tanh"),
    "activations with alpha": (
        [lstm(activation_alpha=[0.5], activations=["HardSigmoid", "Tanh", "Tanh"])],
        "has activations=['HardSigmoid', 'Tanh', 'Tanh']; only",
    ),
    "layout": ([lstm(layout=2)], "has layout=2; 0 or 1 is needed"),
    "direction": (
        [lstm(direction="sideways")],
        "has direction=sideways; only forward or reverse or bidirectional is supported",
    ),
    "lengths": ([lstm("one")], "has lengths per sequence (sequence_lens)"),
    "start": ([lstm("", "ones")], "starts from a state (initial_h) that is not zero"),
    "start from x": ([lstm("", "", "x")], "starts from a state (initial_c) that is not zero"),
    "short peepholes": ([lstm("", "", "", "C")], "has P of shape (3,); (1, 12) is needed"),
    "peepholes from x": ([lstm("", "", "", "x")], "its weights P are not a constant"),
    "peepholes of a gru": (
        [make_node("GRU", ["x", "W3", "R3", "", "", "", "", "P"], ["Y"], "g")],
        "node 'g' (GRU): has peepholes (P), which no GRU has",
    ),
    "sigmoid alone": (
        [make_node("RNN", ["x", "W1", "R1"], ["Y"], "r", activations=["Sigmoid"])],
        "node 'r' (RNN): has activations=['Sigmoid']; only ['Tanh'] or ['Relu'] is supported",
    ),
    "hidden_size": ([lstm(hidden_size=9)], "has hidden_size=9, but R of shape (1, 16, 4)"),
    "weights of x": (
        [make_node("LSTM", ["x", "x", "R"], ["Y"], "a")],
        "node 'a' (LSTM): its weights W are not a constant",
    ),
    "shapes": ([make_node("GRU", ["x", "W", "R"], ["Y"], "g")], "node 'g' (GRU): has W of shape"),
    "short biases": ([make_node("LSTM", ["x", "W", "R", "C"], ["Y"])], "has B of shape (3,)"),
    "no weights": ([make_node("LSTM", ["x"], ["Y"], "l")], "its weights W are not a constant"),
    "constant input": ([make_node("LSTM", ["W", "W", "R"], ["Y"])], "does not depend on the graph"),
    "convolution": (
        [node("Conv", "x W", "Y")],
        "node 'Conv_Y' (Conv): operator Conv is not support",
    ),
    "quantized": ([node("QuantizeLinear", "x C", "Y")], "quantized ONNX files are read only"),
    "integer": (
        [node("MatMulInteger", "x M", "Y")],
        "quantized ONNX files are read only if edgelstm wrote them",
    ),
    "domain": (
        [make_node("FusedGemm", ["x", "M"], ["Y"], "f", domain="com.microsoft")],
        "node 'f' (FusedGemm): operators of domain 'com.microsoft' are not supported",
    ),
    "branch": (
        [make_node("If", ["x"], ["Y"], "i", then_branch=onnx.GraphProto())],
        "node 'i' (If): has a condition that is no constant",
    ),
    "cell state": ([lstm(), node("Identity", "Y_c", "z")], "reads the final cell state Y_c"),
    "first step": (
        [lstm(), node("Gather", "Y zero", "z", axis=0)],
        "node 'Gather_z' (Gather): selects step 0 of 2; only the last one can be selected",
    ),
    "two entries": (
        [lstm(), node("Gather", "Y two", "z", axis=0)],
        "keeps 2 of 3 entries of axis 0",
    ),
    "ninth step": (
        [lstm(), node("Gather", "Y far", "z", axis=0)],
        "selects entry 9 of an axis of 2",
    ),
    "states of two sizes": (
        [
            lstm(),
            make_node("Squeeze", ["Y", "one"], ["second"]),
            make_node("LSTM", ["second", "W2", "R2"], ["", "h"]),
            node("Concat", "Y_h h", "z", axis=0),
        ],
        "joins tensors that are not the states of layers of one size",
    ),
    "no bounds": ([node("Slice", "x", "z")], "has no starts and ends"),
    "alpha of Gemm": (
        [lstm(), TO_LAST, node("Gemm", "last M C", "z", alpha=0.5)],
        "has alpha=0.5; 1 is needed",
    ),
    "two signals": (
        [lstm(), node("Add", "Y Y", "z")],
        "joins two tensors that depend on the input",
    ),
    "wide bias": (
        [lstm(), TO_LAST, ADDED[0], node("Add", "product one_more", "z")],
        "adds a tensor of shape (2, 3)",
    ),
    "no matrix": ([node("MatMul", "x C", "z")], "multiplies with a tensor of shape (3,); a matrix"),
    "sizes": ([node("MatMul", "x M", "z")], "layer 'dense1' takes 4 values, but is given 5"),
    "integers": ([node("Cast", "x", "z", to=TensorProto.INT8)], "turns floats into int8"),
    "training": (
        [node("Dropout", "x half yes", "z")],
        "drops values; export the model in eval mode",
    ),
    "no axes": ([node("Squeeze", "x one", "z")], "squeezes axes [1] of (2, 5, 5); they must have"),
    "far axis": ([node("Unsqueeze", "x far", "z")], "names axis 9 of a tensor with 4 axes"),
    "far slice": (
        [node("Slice", "x zero one far", "z")],
        "slices axes [9] of a tensor with 3 axes",
    ),
    "strange order": ([node("Transpose", "x", "z", perm=[0, 0, 1])], "as [0, 0, 1]"),
    "twice": ([node("Unsqueeze", "x zeros", "z")], "inserts an axis twice: [0, 0]"),
    "real sizes": ([node("Reshape", "x C", "z")], "takes float32 values as sizes or positions"),
    "malformed": (
        [node("Transpose", "x", "z", perm="abc")],
        "node 'Transpose_z' (Transpose): is malformed",
    ),
    "nothing": ([node("Relu", "absent", "z")], "reads 'absent', which nothing before it writes"),
    "no layer": ([node("Identity", "x", "z")], "the network has no layers"),
    "a constant": ([node("Identity", "C", "z")], "output 'z' does not depend on the input"),
    "no constant": (
        [make_node("Constant", [], ["z"], "c")],
        "node 'c' (Constant): holds no numbers",
    ),
    "unknown constant": ([node("Sin", "C", "z")], "operator Sin on constants is not supported"),
}
EXTRA = {
    "ones": np.ones((1, 2, HIDDEN), np.float32),
    "P": np.ones((1, 3 * HIDDEN), np.float32),
    "W3": np.ones((1, 3 * HIDDEN, INPUTS), np.float32),
    "R3": np.ones((1, 3 * HIDDEN, HIDDEN), np.float32),
    "W1": np.ones((1, HIDDEN, INPUTS), np.float32),
    "R1": np.ones((1, HIDDEN, HIDDEN), np.float32),
    "two": np.array([0, 1]),
    "one_more": np.ones((2, 3), np.float32),
    "half": np.array(0.5, np.float32),
    "yes": np.array(True),
    "far": np.array([9]),
    "W2": np.ones((1, 8, HIDDEN), np.float32),
    "R2": np.ones((1, 8, 2), np.float32),
    "zeros": np.array([0, 0]),
}


@pytest.mark.parametrize("nodes, said", REFUSED.values(), ids=REFUSED)
def test_what_no_network_computes_is_named(nodes: list[Any], said: str, tmp_path: Path) -> None:
    output = nodes[-1].output[0]
    path = save(tmp_path / "net.onnx", nodes, constants() | EXTRA, output=output)
    with pytest.raises(ModelError) as caught:
        read(path)
    got = str(caught.value)
    assert got.startswith("net.onnx: ") and said in got and "\n" not in got


@pytest.mark.parametrize(
    "options, said",
    [
        ({"x_type": TensorProto.INT64}, "takes indices; an embedding does, first of all layers"),
        ({"x_type": 99}, "input 'x': has ONNX's type 99; floats"),
        ({"x_shape": ("a", "b", "c")}, "input 'x': has 3 axes, the last of size 0"),
        ({"x_shape": ("a", "b", 2, 5)}, "input 'x': has 4 axes, the last of size 5"),
        ({"x_shape": (-3, "b", 5)}, "input 'x': has shape (-3, 5, 5)"),
        ({"x_shape": (5, INPUTS)}, "takes a tensor of shape (5, 5); steps and batch are needed"),
        ({"x_shape": (2, 3, 9)}, "layer 'lstm1' takes 5 values, but is given 9"),
    ],
)
def test_inputs_that_do_not_fit_are_named(
    options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = save(tmp_path / "net.onnx", [lstm()], output="Y", **options)
    with pytest.raises(ModelError) as caught:
        read(path)
    assert said in str(caught.value)


def test_a_state_that_comes_from_outside_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", [lstm("", "h0")], output="Y")
    model = onnx.load(path)
    model.graph.input.append(make_tensor_value_info("h0", TensorProto.FLOAT, (1, 2, HIDDEN)))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(
        ModelError,
        match="reads the input 'h0', but a network here takes one .*'x'; if it is a starting",
    ):
        read(path)
