"""Hybrid layers: onnxruntime's DynamicQuantizeLSTM, and DequantizeLinear before a dense product."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.formats.onnx import to_onnx
from edgelstm.formats.onnx.float import biases, linear, run_operator
from edgelstm.formats.onnx.graph import WEIGHT_ZERO_POINT, Graph, unsigned
from edgelstm.layers.recurrent import Recurrent
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection

DOMAIN = "com.microsoft"


def recurrent(
    graph: Graph,
    layer: Recurrent[QuantizedDirection],
    x: str,
    states: Sequence[str],
) -> tuple[str, list[str]]:
    """Adds a DynamicQuantizeLSTM; arguments and result as in `float.recurrent`."""
    weights, scales, directions = [], [], layer.directions
    for letter, side in (("W", "ih"), ("R", "hh")):
        name = f"{layer.name}/{letter}"
        matrices = [to_onnx(d.arrays[f"weight_{side}"], d.cell_name).T for d in directions]
        weights.append(graph.constant(unsigned(np.stack(matrices)), name))
        columns = np.stack([to_onnx(_column_scales(d, side), d.cell_name) for d in directions])
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
