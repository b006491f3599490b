"""ONNX graphs as other programs may write them: one recurrent layer, and nodes around it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
from onnx.numpy_helper import from_array

INPUTS, HIDDEN, OUTPUTS = 5, 4, 3

Arrays = dict[str, NDArray[Any]]


def constants(n_gates: int = 4) -> Arrays:
    """W, R, B of a recurrent node, M and C of a dense layer, and small numbers."""
    rng = np.random.default_rng(n_gates)
    rows = n_gates * HIDDEN
    shapes = {
        "W": (1, rows, INPUTS),
        "R": (1, rows, HIDDEN),
        "B": (1, 2 * rows),
        "M": (HIDDEN, OUTPUTS),
        "C": (OUTPUTS,),
    }
    arrays: Arrays = {k: rng.normal(size=v).astype(np.float32) for k, v in shapes.items()}
    return arrays | {"zero": np.array([0]), "one": np.array([1]), "end": np.array(-1)}


def lstm(*more: str, name: str = "LSTM_3", **attributes: Any) -> onnx.NodeProto:
    """From x to Y, Y_h, Y_c; `more` are inputs behind B."""
    outputs = ["Y", "Y_h", "Y_c"]
    attributes = {"hidden_size": HIDDEN, **attributes}
    return make_node("LSTM", ["x", "W", "R", "B", *more], outputs, name, **attributes)


def node(operator: str, inputs: str, output: str = "y", **attributes: Any) -> onnx.NodeProto:
    """A node called after its operator and its output."""
    return make_node(operator, inputs.split(), [output], f"{operator}_{output}", **attributes)


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    arrays: Arrays | None = None,
    *,
    output: str = "y",
    x_shape: tuple[str | int, ...] = ("steps", "batch", INPUTS),
    x_type: int = TensorProto.FLOAT,
    opset: int = 18,
) -> Path:
    """Writes a graph from the input x to one output."""
    graph = make_graph(
        nodes,
        "graph",
        [make_tensor_value_info("x", x_type, x_shape)],
        [make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [from_array(value, name) for name, value in (arrays or constants()).items()],
    )
    model = make_model(graph, opset_imports=[make_opsetid("", opset)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def stateful(
    operator: str,
    directions: int = 1,
    *,
    opset: int = 18,
    ir: int = 9,
    hidden: int = HIDDEN,
    more: Mapping[str, Any] | None = None,
) -> onnx.ModelProto:
    """Sin, one recurrent node with all its states, Cos: what no network here has.

    Args:
        operator: Of ONNX.
        directions: 1 or 2.
        opset: Of the file.
        ir: Its version; before 4 each constant is an input, too.
        hidden: Units.
        more: Attributes of the node.
    """
    rng, rows = np.random.default_rng(directions), GATES[operator] * hidden
    shapes = {"W": (rows, INPUTS), "R": (rows, hidden), "B": (2 * rows,)}
    arrays = {k: rng.normal(0, 0.5, (directions, *s)).astype(np.float32) for k, s in shapes.items()}
    states = ["h", "c"][: 2 if operator == "LSTM" else 1]
    both: dict[str, Any] = {"direction": "bidirectional"} if directions == 2 else {}
    before: dict[str, Any] = {"linear_before_reset": 1} if operator == "GRU" else {}
    nodes = [
        make_node("Sin", ["x"], ["seen"], "sin"),
        make_node(
            operator,
            ["seen", *arrays, "", *states],
            ["Y", *(f"{s}_out" for s in states)],
            "deep/in it",
            hidden_size=hidden,
            **{**both, **before, **(more or {})},
        ),
        make_node("Cos", ["Y"], ["y"], "cos"),
    ]
    real, shape = TensorProto.FLOAT, (directions, "batch", hidden)
    inputs = [make_tensor_value_info("x", real, ("steps", "batch", INPUTS))]
    inputs += [make_tensor_value_info(s, real, shape) for s in states]
    tensors = [from_array(v, k) for k, v in arrays.items()]
    if ir < 4:
        inputs += [make_tensor_value_info(t.name, real, t.dims) for t in tensors]
    outputs = [make_tensor_value_info("y", real, ("steps", directions, "batch", hidden))]
    outputs += [make_tensor_value_info(f"{s}_out", real, shape) for s in states]
    graph = make_graph(nodes, "larger", inputs, outputs, tensors)
    model = make_model(graph, opset_imports=[make_opsetid("", opset)], ir_version=ir)
    model.metadata_props.add(key="of", value="others")
    return model
