"""Hybrid layers: onnxruntime's DynamicQuantizeLSTM, a loop for other cells, and dense products.

What is multiplied by int8 weights is rounded to 8 bits: x for all steps of a call at once, all else
in its step. A dense layer's input is not rounded.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.formats.onnx import equations, native, to_onnx
from edgelstm.formats.onnx.float import biases, linear, run_operator
from edgelstm.formats.onnx.graph import WEIGHT_ZERO_POINT, Graph, onnx_type, unsigned
from edgelstm.formats.onnx.loop import Ends, stack_names
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.plan import LayerPlan
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection

DOMAIN = "com.microsoft"


def recurrent(
    graph: Graph,
    layer: Recurrent[QuantizedDirection],
    x: str,
    states: Sequence[str],
) -> Ends:
    """Adds a DynamicQuantizeLSTM or a loop; arguments and result as in `float.recurrent`."""
    if native(layer.forward, layer.forward.precision) is None:
        return equations.recurrent(graph, layer, x, states, _product)
    weights, scales, directions = [], [], layer.directions
    for letter, side in (("W", "ih"), ("R", "hh")):
        name = f"{layer.name}/{letter}"
        matrices = [to_onnx(d.arrays[f"weight_{side}"], d.cell_name).T for d in directions]
        weights.append(graph.constant(unsigned(np.stack(matrices)), name))
        # a gate whose weights are another's, negated, has the other's scale
        columns = np.abs([to_onnx(_column_scales(d, side), d.cell_name) for d in directions])
        zeros = np.full_like(columns, WEIGHT_ZERO_POINT, np.uint8)
        scales += [
            graph.constant(columns, f"{name}_scale"),
            graph.constant(zeros, f"{name}_zero_point"),
        ]
    return run_operator(
        graph,
        directions,
        [x, *weights, biases(graph, directions)],
        states,
        operator="DynamicQuantizeLSTM",
        attributes={"domain": DOMAIN},
        scales=scales,
    )


def _product(
    graph: Graph, direction: QuantizedDirection, plan: LayerPlan, group: equations.Group, value: str
) -> str:
    """See `equations.Product`."""
    scope, (weight_name, bias_name) = (
        f"{plan.name}/{group[0].result}",
        stack_names(plan.name, group),
    )
    rounded, scale, zero_point = (f"{scope}/{k}" for k in ("rounded", "scale", "zero_point"))
    graph.add(
        "DynamicQuantizeLinear", [value], [rounded, scale, zero_point], name=f"{scope}/rounded"
    )
    weight = graph.constant(unsigned(equations.stacked(direction, group).T), weight_name)
    operands = rounded, weight, zero_point, graph.constant(WEIGHT_ZERO_POINT)
    sums = graph("MatMulInteger", *operands, scope=scope)
    real = graph("Cast", sums, scope=scope, to=onnx_type("float32"))
    scales = graph.constant(_row_scales(direction, group), f"{weight_name}_scale")
    y = graph("Mul", real, graph("Mul", scale, scales, scope=scope), scope=scope)
    if not any(plan.biases[op.result] for op in group):
        return y
    bias = graph.constant(equations.stacked_bias(direction, plan, group), bias_name)
    return graph("Add", y, bias, scope=scope)


def _row_scales(direction: Any, group: equations.Group) -> NDArray[np.float32]:
    """The scale of each row of a group's weights, that of the row's gate."""
    matrices = [direction.matrix(op.side, op.gate) for op in group]
    return np.concatenate([np.full(len(m.values), m.scale, np.float32) for m in matrices])


def _column_scales(layer: QuantizedDirection, side: str) -> NDArray[np.float32]:
    """The scale of each row of a weight matrix, that of the row's gate."""
    gates = CELLS[layer.cell_name].gates
    scales = [layer.matrix(side, gate).scale for gate in gates]
    return np.repeat(np.array(scales, np.float32), layer.hidden_size)


def dense(graph: Graph, layer: QuantizedDense, x: str) -> str:
    """Adds a dense layer of int8 weights and returns its result's name."""
    weight = graph(
        "DequantizeLinear",
        graph.constant(unsigned(layer.weight.T), f"{layer.name}/weight"),
        graph.constant(np.float32(layer.weight_scale), f"{layer.name}/weight_scale"),
        graph.constant(WEIGHT_ZERO_POINT),
        scope=layer.name,
    )
    return linear(graph, layer, x, weight)
