"""Integer layers in standard ONNX operators, bit for bit: a loop over the steps of the traced list.

The body of the Scan is written from the operations of the plan; between them, integers are int64.
Sigmoid and tanh are tables over all int16 values, which a negative index reads from their end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelstm.cells.spec import Op
from edgelstm.formats.onnx.graph import WEIGHT_ZERO_POINT, Graph, onnx_type, unsigned, value_info
from edgelstm.layers.recurrent import Recurrent
from edgelstm.quantization import fixedpoint
from edgelstm.quantization.quantized import QuantizedDense, QuantizedDirection
from edgelstm.quantization.quantizer import integer_clip
from edgelstm.quantization.scales import Scale

if TYPE_CHECKING:
    import onnx

TABLES = {"sigmoid": fixedpoint.table_sigmoid, "tanh": fixedpoint.table_tanh}


def recurrent(
    graph: Graph,
    layer: Recurrent[QuantizedDirection],
    x: str,
    states: Sequence[str],
) -> tuple[str, list[str]]:
    """Adds a loop over the steps, or one in each direction.

    Args:
        graph: Takes the nodes.
        layer: Integers, and one scale per value.
        x: Name of the input (steps, batch, input_size) int8.
        states: Names of the states before the first step (batch, hidden_size); none: zeros.

    Returns:
        Names of the output (steps, batch, output_size) and of the states after the last step; none
        of a bidirectional layer.
    """
    if not layer.is_bidirectional:
        return _loop(graph, layer.forward, x, states)
    forward, backward = layer.directions
    there, _ = _loop(graph, forward, x, ())
    back, _ = _loop(graph, backward, x, (), reverse=True)
    return graph("Concat", there, back, scope=layer.name, axis=2), []


def _loop(
    graph: Graph,
    layer: QuantizedDirection,
    x: str,
    states: Sequence[str],
    *,
    reverse: bool = False,
) -> tuple[str, list[str]]:
    backwards = {"scan_input_directions": [1], "scan_output_directions": [1]}
    outputs = [*(f"{layer.name}/{state}_end" for state in layer.plan.states), f"{layer.name}/Y"]
    graph.add(
        "Scan",
        [*(states or _zeros(graph, layer, x)), x],
        outputs,
        name=layer.name,
        body=_body(graph.body(), layer),
        num_scan_inputs=1,
        **(backwards if reverse else {}),
    )
    return outputs[-1], outputs[:-1]


def dense(graph: Graph, layer: QuantizedDense, x: str) -> str:
    """Adds a dense layer on int8 values and returns its result's name."""
    name, into, out = layer.name, layer.input, layer.linear
    assert into is not None and out is not None and layer.activation != "softmax"
    weight = graph.constant(unsigned(layer.weight.T), f"{name}/weight")
    bias = graph.constant(layer.bias, f"{name}/bias")
    sums = _product(graph, name, (x, weight, bias), into)
    low, high = out.limits
    limits = (out.zero_point if layer.activation == "relu" else low, high)
    ratio = into.scale * layer.weight_scale / out.scale
    y = _requantize(graph, name, sums, ratio, zero_point=out.zero_point, limits=limits)
    if layer.activation != "sigmoid":
        return graph("Cast", y, scope=name, to=onnx_type(out.type))
    table = fixedpoint.logistic8(out.scale, out.zero_point).astype(np.int8)
    return graph("Gather", graph.constant(np.roll(table, 128), f"{name}/table"), y, scope=name)


def groups(ops: Sequence[Op]) -> list[tuple[Op, ...]]:
    """The operations in order, affines that multiply one value by one matrix together."""
    together: dict[object, list[Op]] = {}
    for op in ops:
        together.setdefault((op.kind, op.args) if op.side else op, []).append(op)
    return [tuple(ops) for ops in together.values()]


def stack_names(layer: str, group: Sequence[Op]) -> tuple[str, str]:
    """What a group's stacked weights and biases are called: ``lstm1/W_ifgo``, ``lstm1/Wb_ifgo``."""
    letter, gates = {"ih": "W", "hh": "R"}[str(group[0].side)], [str(op.gate) for op in group]
    return f"{layer}/{letter}_{''.join(gates)}", f"{layer}/{letter}b_{''.join(gates)}"


def _zeros(graph: Graph, layer: QuantizedDirection, x: str) -> list[str]:
    """Every state at its zero point, for as many sequences as x holds."""
    from onnx.numpy_helper import from_array

    batch = graph("Shape", x, scope=layer.name, start=1, end=2)
    size = graph.constant([layer.hidden_size])
    shape = graph("Concat", batch, size, scope=layer.name, axis=0)
    scales = [layer.scales[state] for state in layer.plan.states]
    starts = [from_array(np.array([s.zero_point], s.type)) for s in scales]
    return [graph("ConstantOfShape", shape, scope=layer.name, value=start) for start in starts]


@dataclasses.dataclass(frozen=True)
class _Step:
    """The body of a layer's loop; `names` says what a value is called there, in which type."""

    graph: Graph
    layer: QuantizedDirection
    names: dict[tuple[str, str], str]

    def scope(self, value: str) -> str:
        return f"{self.layer.name}/{value}"

    def read(self, value: str, type_name: str = "int64") -> str:
        """The value's name in a type, cast if it is not there yet."""
        if (value, type_name) not in self.names:
            have = next(name for (v, _), name in self.names.items() if v == value)
            cast = self.graph("Cast", have, scope=self.scope(value), to=onnx_type(type_name))
            self.names[value, type_name] = cast
        return self.names[value, type_name]


def _body(graph: Graph, layer: QuantizedDirection) -> onnx.GraphProto:
    plan, name = layer.plan, layer.name
    types = {value: layer.scales[value].type for value in (*plan.states, "x")}
    step = _Step(graph, layer, {(v, kind): f"{name}/{v}" for v, kind in types.items()})
    for group in groups(plan.ops):
        if group[0].side:
            _add_affines(step, group)
        else:
            step.names[group[0].result, "int64"] = _add_operation(step, group[0])
    new = [step.read(v, types[s]) for s, v in zip(plan.states, plan.new_states, strict=True)]
    y = graph("Identity", new[0], scope=name)  # an output of a body stands there once
    infos = {v: (kind, ("batch", plan.sizes[v])) for v, kind in types.items()}
    ends = [*zip(plan.states, new, strict=True), (plan.states[0], y)]
    return graph.proto(
        f"{name}/step",
        [value_info(f"{name}/{v}", *info) for v, info in infos.items()],
        [value_info(end, *infos[state]) for state, end in ends],
        constants=False,
    )


def _add_affines(step: _Step, group: Sequence[Op]) -> None:
    """One product for the gates of a group, (batch, gates, hidden_size) until it is rescaled."""
    layer, plan, graph, first = step.layer, step.layer.plan, step.graph, group[0]
    scope, into = step.scope(first.result), layer.scales[first.args[0]]
    weights, biases = getattr(layer, f"weight_{first.side}"), getattr(layer, f"bias_{first.side}")
    rows = np.r_[*(plan.rows(op.gate) for op in group)]
    operands = [step.read(first.args[0], into.type)]
    weight_name, bias_name = stack_names(layer.name, group)
    operands.append(graph.constant(unsigned(weights[rows].T), weight_name))
    if any(plan.biases[op.result] for op in group):
        operands.append(graph.constant(biases[rows], bias_name))
    sums = _product(graph, scope, operands, into)
    shape = graph.constant([0, len(group), layer.hidden_size])
    sums = graph("Reshape", sums, shape, scope=scope)
    out = layer.scales[first.result]
    scales = [layer.weight_scales[f"{op.side} {op.gate}"] for op in group]
    ratios = np.array([[into.scale * scale / out.scale] for scale in scales])
    gates = _requantize(graph, scope, sums, ratios, zero_point=out.zero_point, limits=out.limits)
    for k, op in enumerate(group):
        gate = graph("Gather", gates, graph.constant(k), scope=step.scope(op.result), axis=1)
        step.names[op.result, "int64"] = gate


def _product(graph: Graph, scope: str, operands: Sequence[str], into: Scale) -> str:
    """``(v - zero point) @ weight + bias`` from the names of v, weight and perhaps bias."""
    value, weight, *bias = operands
    zero_point = graph.constant(np.array(into.zero_point, into.type))
    weight_zero_point = graph.constant(WEIGHT_ZERO_POINT)
    sums = graph("MatMulInteger", value, weight, zero_point, weight_zero_point, scope=scope)
    if bias:
        sums = graph("Add", sums, *bias, scope=scope)
    return graph("Cast", sums, scope=scope, to=onnx_type("int64"))


def _add_operation(step: _Step, op: Op) -> str:
    graph, layer, scope = step.graph, step.layer, step.scope(op.result)
    args = [step.read(a) for a in op.args]
    into, out = [layer.scales[a] for a in op.args], layer.scales[op.result]
    if op.kind in TABLES:
        value = graph("Gather", _table(graph, op.kind, into[0]), *args, scope=scope)
        return graph("Cast", value, scope=scope, to=onnx_type("int64"))
    if op.kind == "mul":
        product = graph("Mul", *args, scope=scope)
        ratio = into[0].scale * into[1].scale / out.scale
        return _requantize(
            graph, scope, product, ratio, zero_point=out.zero_point, limits=out.limits
        )
    if op.kind == "add":
        return _clip(graph, scope, graph("Add", *args, scope=scope), out.limits)
    assert op.kind == "clip", f"operation '{op.kind}' has no integer form"
    limit = integer_clip(layer.cell_clip, out)
    return _clip(graph, scope, args[0], (-limit, limit))


def _table(graph: Graph, function: str, into: Scale) -> str:
    """Adds the int16 table of a function whose argument has this scale, once for all layers."""
    values = fixedpoint.whole_table(TABLES[function], into.log2).astype(np.int16)
    return graph.constant(np.roll(values, 32768), f"{function}_2^{into.log2}")


def _requantize(
    graph: Graph, scope: str, x: str, ratios: Any, *, zero_point: int, limits: tuple[int, int]
) -> str:
    """`fixedpoint.requantize` by each ratio, zero point added, saturated: all rounding here.

    x is int64, and no value leaves int32, shifted left neither: quantization guards that.
    """
    pairs = [fixedpoint.quantize_multiplier(ratio) for ratio in np.ravel(ratios)]
    q, shift = np.array(pairs, np.int64).T.reshape(2, *np.shape(ratios))
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    if left.any():
        x = graph("Mul", x, graph.constant(np.int64(1) << left), scope=scope)
    # (x q + 2^30) >> 31: Div truncates, so 2^62 keeps the sum positive and is taken off behind it
    product = graph("Mul", x, graph.constant(q), scope=scope)
    raised = graph("Add", product, graph.constant(2**62 + 2**30), scope=scope)
    quotient = graph("Div", raised, graph.constant(2**31), scope=scope)
    x = graph("Sub", quotient, graph.constant(2**31), scope=scope)
    if right.any():
        # ties away from zero: half of the divisor, with the sign of x, before Div truncates
        half = graph.constant((np.int64(1) << right) >> 1)
        signed = graph("Mul", graph("Sign", x, scope=scope), half, scope=scope)
        x = graph("Add", x, signed, scope=scope)
        x = graph("Div", x, graph.constant(np.int64(1) << right), scope=scope)
    if zero_point:
        x = graph("Add", x, graph.constant(zero_point), scope=scope)
    return _clip(graph, scope, x, limits)


def _clip(graph: Graph, scope: str, x: str, limits: tuple[int, int]) -> str:
    low, high = (graph.constant(limit) for limit in limits)
    return graph("Clip", x, low, high, scope=scope)
