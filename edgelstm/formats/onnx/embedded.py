"""A recurrent layer between the ends of an ONNX node that it takes the place of.

Float tensors go in and out: integers are made of them and turned back beside the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelstm.formats.onnx.around import reversed_steps
from edgelstm.formats.onnx.graph import Graph, onnx_type, value_info
from edgelstm.formats.onnx.part import INITIAL, STATES
from edgelstm.formats.onnx.write import BY_PRECISION
from edgelstm.quantization.scales import Scale

if TYPE_CHECKING:
    import onnx


def outer_names(node: onnx.NodeProto) -> dict[str, str]:
    """What a layer's ends are called in the graph."""
    states = STATES[node.op_type]
    inputs = dict(zip(("x", *(f"initial_{s}" for s in states)), _places(node), strict=False))
    outputs = dict(zip(("Y", *(f"Y_{s}" for s in states)), node.output, strict=False))
    return {end: name for end, name in {**inputs, **outputs}.items() if name}


def _places(node: onnx.NodeProto) -> list[str]:
    return [node.input[0], *node.input[INITIAL:]]


def embedded(
    graph: Graph, node: onnx.NodeProto, layer: Any, precision: str, *, backwards: bool
) -> list[onnx.NodeProto]:
    """The nodes of a layer between the ends ``x initial_h initial_c`` and ``Y Y_h Y_c``.

    `backwards`: it reads the steps from the last to the first.
    """
    ends, scope = outer_names(node), layer.name
    states, scales = STATES[node.op_type], layer.forward.scales
    x = reversed_steps(graph, "x", scope) if backwards else "x"
    x = _integers(graph, x, scales.get("x"), scope)
    given = [s for s in states if f"initial_{s}" in ends]
    initial = []
    for k, direction in enumerate(layer.directions if given else ()):
        for s in states:
            name = f"initial_{s}" if s in given else _zeros(graph, f"initial_{given[0]}", scope)
            row = _direction(graph, name, k, layer)
            initial.append(_integers(graph, row, direction.scales.get(s), scope))
    y, last = BY_PRECISION[precision].recurrent(graph, layer, x, initial)
    if "Y" in ends:
        y = _reals(graph, y, scales.get(states[0]), scope)
        _add_steps(graph, reversed_steps(graph, y, scope) if backwards else y, layer)
    for k, s in enumerate(states):
        if f"Y_{s}" not in ends:
            continue
        rows = [
            _reals(graph, last[k + len(states) * d], direction.scales.get(s), scope)
            for d, direction in enumerate(layer.directions)
        ]
        _add_ends(graph, rows, f"Y_{s}", scope)
    _cancel(graph.nodes)
    outputs = [value_info(name, "float32", ()) for name in ends if name.startswith("Y")]
    return list(graph.proto(scope, [], outputs, constants=False).node)


def _direction(graph: Graph, state: str, k: int, layer: Any) -> str:
    """(batch, size) of one direction."""
    if len(layer.directions) == 1:
        return graph("Squeeze", state, graph.constant([0]), scope=layer.name)
    return graph("Gather", state, graph.constant(k), scope=layer.name, axis=0)


def _add_steps(graph: Graph, y: str, layer: Any) -> None:
    """Y (steps, directions, batch, size)."""
    name = f"{layer.name}/steps"
    if len(layer.directions) == 1:
        graph.add("Unsqueeze", [y, graph.constant([1])], ["Y"], name=name)
        return
    shape = graph.constant([0, 0, 2, layer.output_size // 2])
    apart = graph("Reshape", y, shape, scope=layer.name)
    graph.add("Transpose", [apart], ["Y"], name=name, perm=[0, 2, 1, 3])


def _add_ends(graph: Graph, rows: Sequence[str], end: str, scope: str) -> None:
    """Y_h or Y_c (directions, batch, size)."""
    first, name = graph.constant([0]), f"{scope}/{end}_end"
    if len(rows) == 1:
        graph.add("Unsqueeze", [rows[0], first], [end], name=name)
        return
    rows = [graph("Unsqueeze", row, first, scope=scope) for row in rows]
    graph.add("Concat", rows, [end], name=name, axis=0)


def _cancel(nodes: list[onnx.NodeProto]) -> None:
    """Leaves out an axis that is taken away and put back: a call of one step is short."""
    squeezed = {node.output[0]: node for node in nodes if node.op_type == "Squeeze"}
    same: dict[str, str] = {}
    for node in list(nodes):
        before = squeezed.get(node.input[0]) if node.op_type == "Unsqueeze" else None
        if before is not None and before.input[1] == node.input[1]:
            inside, outside = before.input[0], node.output[0]
            nodes.remove(node)
            same |= {outside: inside} if inside.startswith("initial_") else {inside: outside}
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [same.get(name, name) for name in names]


def _zeros(graph: Graph, like: str, scope: str) -> str:
    shape = graph("Shape", like, scope=scope)
    return graph("ConstantOfShape", shape, scope=scope)


def _integers(graph: Graph, x: str, scale: Scale | None, scope: str) -> str:
    """Adds what rounds real values; QuantizeLinear has no int16 before opset 21."""
    if scale is None:
        return x
    steps = graph("Div", x, graph.constant(np.float32(scale.scale)), scope=scope)
    steps = graph("Round", steps, scope=scope)
    if scale.zero_point:
        steps = graph("Add", steps, graph.constant(np.float32(scale.zero_point)), scope=scope)
    low, high = (graph.constant(np.float32(limit)) for limit in scale.limits)
    clipped = graph("Clip", steps, low, high, scope=scope)
    return graph("Cast", clipped, scope=scope, to=onnx_type(scale.type))


def _reals(graph: Graph, q: str, scale: Scale | None, scope: str) -> str:
    """Adds what integers stand for."""
    if scale is None:
        return q
    real = graph("Cast", q, scope=scope, to=onnx_type("float32"))
    if scale.zero_point:
        real = graph("Sub", real, graph.constant(np.float32(scale.zero_point)), scope=scope)
    return graph("Mul", real, graph.constant(np.float32(scale.scale)), scope=scope)
