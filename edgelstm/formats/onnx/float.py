"""Float layers as ONNX's own operators: LSTM, GRU, MatMul."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.formats.onnx import NATIVE, to_onnx
from edgelstm.formats.onnx.graph import Graph
from edgelstm.network import Dense, Recurrent
from edgelstm.quantized import QuantizedDense, QuantizedRecurrent

ACTIVATIONS: dict[str, tuple[str, dict[str, int]]] = {
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "softmax": ("Softmax", {"axis": -1}),
}


def recurrent(
    graph: Graph, layer: Recurrent, x: str, states: Sequence[str]
) -> tuple[str, list[str]]:
    """Adds an LSTM or GRU.

    Args:
        graph: Takes the nodes.
        layer: Float weights.
        x: Name of the input (steps, batch, input_size).
        states: Names of the states before the first step (batch, hidden_size); none: zeros.

    Returns:
        Names of the output (steps, batch, hidden_size) and of the states after the last step.
    """
    operator, _, attributes = NATIVE[layer.cell_name]
    weights = [
        graph.constant(to_onnx(matrix, layer.cell_name)[None], f"{layer.name}/{letter}")
        for letter, matrix in (("W", layer.weight_ih), ("R", layer.weight_hh))
    ]
    inputs = [x, *weights, biases(graph, layer)]
    return run_operator(graph, layer, inputs, states, operator=operator, attributes=attributes)


def biases(graph: Graph, layer: Recurrent | QuantizedRecurrent) -> str:
    """Adds B (1, 2 * n_gates * hidden_size): the input's biases, then the recurrent ones."""
    both = [to_onnx(b, _cell_name(layer)) for b in (layer.bias_ih, layer.bias_hh)]
    return graph.constant(np.concatenate(both)[None], f"{layer.name}/B")


def run_operator(
    graph: Graph,
    layer: Recurrent | QuantizedRecurrent,
    inputs: Sequence[str],
    states: Sequence[str],
    *,
    operator: str,
    attributes: Mapping[str, Any],
    scales: Sequence[str] = (),
) -> tuple[str, list[str]]:
    """Adds a node in the form of ONNX's LSTM and GRU; result as in `recurrent`.

    Args:
        graph: Takes the nodes.
        layer: Gives names and sizes.
        inputs: Names of x, W, R, B.
        states: As in `recurrent`.
        operator: Its name.
        attributes: Of the operator, beside hidden_size.
        scales: Names of the inputs behind the LSTM's eight.
    """
    name = layer.name
    if layer.cell_clip:
        raise ModelError(
            f"layer '{name}': cell_clip is {layer.cell_clip}; ONNX's LSTM can cut the gates' sums, "
            "but not the cell; write int8, whose file spells out each step, or a .tflite"
        )
    first, second = graph.constant([0]), graph.constant([1])
    names = [*inputs]
    if states:
        names += ["", *(graph("Unsqueeze", s, first, scope=name) for s in states)]
    if scales:
        names += [""] * (8 - len(names)) + [*scales]
    outputs = [f"{name}/Y", *(f"{name}/Y_{s}" for s in CELLS[_cell_name(layer)].states)]
    graph.add(operator, names, outputs, name=name, hidden_size=layer.hidden_size, **attributes)
    y = graph("Squeeze", outputs[0], second, scope=name)
    return y, [graph("Squeeze", end, first, scope=name) for end in outputs[1:]]


def _cell_name(layer: Recurrent | QuantizedRecurrent) -> str:
    return layer.cell_name if isinstance(layer, Recurrent) else layer.plan.cell_name


def dense(graph: Graph, layer: Dense, x: str) -> str:
    """Adds a dense layer and returns its result's name."""
    return linear(graph, layer, x, graph.constant(layer.weight.T, f"{layer.name}/weight"))


def linear(graph: Graph, layer: Dense | QuantizedDense, x: str, weight: str) -> str:
    """Adds ``activation(x @ weight + bias)``; weight names a float (input_size, output_size)."""
    product = graph("MatMul", x, weight, scope=layer.name)
    bias = graph.constant(layer.bias, f"{layer.name}/bias")
    y = graph("Add", product, bias, scope=layer.name)
    if layer.activation is None:
        return y
    operator, attributes = ACTIVATIONS[layer.activation]
    return graph(operator, y, scope=layer.name, **attributes)
