"""Float layers as ONNX's own operators: LSTM, GRU, RNN, MatMul; other cells as a loop."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgelstm.cells import CELLS
from edgelstm.formats.onnx import equations, native, to_onnx
from edgelstm.formats.onnx.graph import Graph
from edgelstm.formats.onnx.loop import Ends, stack_names
from edgelstm.layers.dense import Dense
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.plan import LayerPlan
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection

Directions = Sequence[Direction] | Sequence[QuantizedDirection]


def recurrent(graph: Graph, layer: Recurrent[Direction], x: str, states: Sequence[str]) -> Ends:
    """Adds the operator that computes a layer, or a loop over the steps.

    Args:
        graph: Takes the nodes.
        layer: Float weights.
        x: Name of the input (steps, batch, input_size).
        states: Names of the states before the first step (batch, its size), those of the forward
            direction first; none: zeros.

    Returns:
        Names of the output (steps, batch, output_size) and of the states after each direction's
        last step, in the same order.
    """
    operator = native(layer.forward, layer.forward.precision)
    if operator is None:
        return equations.recurrent(graph, layer, x, states, _product)
    directions = layer.directions
    weights = [
        graph.constant(
            np.stack([to_onnx(d.arrays[key], d.cell_name) for d in directions]),
            f"{layer.name}/{letter}",
        )
        for letter, key in (("W", "weight_ih"), ("R", "weight_hh"))
    ]
    return run_operator(
        graph,
        directions,
        [x, *weights, biases(graph, directions)],
        states,
        operator=operator.name,
        attributes=operator.attributes,
    )


def _product(
    graph: Graph, direction: Direction, plan: LayerPlan, group: equations.Group, value: str
) -> str:
    """See `equations.Product`. Both biases of a gate are kept, as they are."""
    scope, (weight_name, bias_name) = (
        f"{plan.name}/{group[0].result}",
        stack_names(plan.name, group),
    )
    weight = graph.constant(equations.stacked(direction, group).T, weight_name)
    sums = graph("MatMul", value, weight, scope=scope)
    if group[0].side not in direction.biases:
        return sums
    bias = graph.constant(equations.stacked_bias(direction, plan, group), bias_name)
    return graph("Add", sums, bias, scope=scope)


def biases(graph: Graph, directions: Directions) -> str:
    """Adds B (directions, 2 * n_gates * hidden_size): the input's biases, then the recurrent."""
    rows = [
        np.concatenate([to_onnx(b, d.cell_name) for b in (d.bias_ih, d.bias_hh)])
        for d in directions
    ]
    return graph.constant(np.stack(rows), f"{directions[0].name}/B")


def run_operator(
    graph: Graph,
    directions: Directions,
    inputs: Sequence[str],
    states: Sequence[str],
    *,
    operator: str,
    attributes: Mapping[str, Any],
    scales: Sequence[str] = (),
) -> Ends:
    """Adds a node in the form of ONNX's LSTM, GRU and RNN; result as in `recurrent`.

    Args:
        graph: Takes the nodes.
        directions: One or two; give names and sizes.
        inputs: Names of x, W, R, B.
        states: As in `recurrent`.
        operator: Its name.
        attributes: Of the operator, beside hidden_size.
        scales: Names of the inputs behind the LSTM's eight, of which P is the last.
    """
    layer, name = directions[0], directions[0].name
    first, second = graph.constant([0]), graph.constant([1])
    names = [*inputs]
    if states:
        rows = [graph("Unsqueeze", s, first, scope=name) for s in states]
        names += ["", *_both(graph, rows, len(directions), name)]
    peepholes = _peepholes(graph, directions)
    if peepholes or scales:
        names += [""] * (7 - len(names)) + (peepholes or [""]) + [*scales]
    outputs = [f"{name}/Y", *(f"{name}/Y_{s}" for s in CELLS[layer.cell_name].states)]
    options = {"hidden_size": layer.hidden_size, **attributes}
    if len(directions) == 2:
        options |= {k: 2 * v for k, v in options.items() if isinstance(v, list)}
        graph.add(operator, names, outputs, name=name, direction="bidirectional", **options)
        ends = [
            graph("Gather", end, graph.constant(k), scope=name, axis=0)
            for k in range(2)
            for end in outputs[1:]
        ]
        return _side_by_side(graph, outputs[0], layer), ends
    graph.add(operator, names, outputs, name=name, **options)
    y = graph("Squeeze", outputs[0], second, scope=name)
    return y, [graph("Squeeze", end, first, scope=name) for end in outputs[1:]]


def _both(graph: Graph, rows: Sequence[str], directions: int, name: str) -> Sequence[str]:
    """States (1, batch, size) of each direction as (directions, batch, size)."""
    if directions == 1:
        return rows
    pairs = zip(rows[: len(rows) // 2], rows[len(rows) // 2 :], strict=True)
    return [graph("Concat", *pair, scope=name, axis=0) for pair in pairs]


def _peepholes(graph: Graph, directions: Directions) -> list[str]:
    """P (directions, n_peepholes * hidden_size), or nothing."""
    given = [(d.arrays.get("weight_peephole"), d.cell_name) for d in directions]
    rows = [to_onnx(w, cell_name, "peepholes") for w, cell_name in given if w is not None]
    return [graph.constant(np.stack(rows), f"{directions[0].name}/P")] if rows else []


def _side_by_side(graph: Graph, y: str, layer: Direction | QuantizedDirection) -> str:
    """(steps, 2, batch, hidden_size) as (steps, batch, 2 * hidden_size)."""
    y = graph("Transpose", y, scope=layer.name, perm=[0, 2, 1, 3])
    shape = graph.constant([0, 0, 2 * layer.hidden_size])
    return graph("Reshape", y, shape, scope=layer.name)


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
    operator, attributes = equations.OPERATORS[layer.activation]
    return graph(operator, y, scope=layer.name, **attributes)
