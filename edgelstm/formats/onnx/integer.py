"""Integer layers in standard ONNX operators, bit for bit: a loop over the steps of the traced list.

The body of the Scan is written from what `lower` lists; between its operations integers are int64.
Sigmoid and tanh are tables over all int16 values, which a negative index reads from their end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from edgelstm.cells.spec import Op
from edgelstm.formats.onnx.graph import WEIGHT_ZERO_POINT, Graph, onnx_type, unsigned, value_info
from edgelstm.layers.directions import is_bidirectional
from edgelstm.layers.recurrent import Recurrent
from edgelstm.quantization.lower import lower
from edgelstm.quantization.operations import (
    Add,
    Clip,
    Limits,
    Lowered,
    Mul,
    Product,
    Rescale,
    Table,
)
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.rounding import ONNXRUNTIME

if TYPE_CHECKING:
    import onnx


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
    if not is_bidirectional(layer):
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
    lowered = lower(layer, ONNXRUNTIME)
    backwards = {"scan_input_directions": [1], "scan_output_directions": [1]}
    outputs = [*(f"{layer.name}/{state.name}_end" for state in lowered.states), f"{layer.name}/Y"]
    graph.add(
        "Scan",
        [*(states or _zeros(graph, lowered, x)), x],
        outputs,
        name=layer.name,
        body=_body(graph.body(), lowered),
        num_scan_inputs=1,
        **(backwards if reverse else {}),
    )
    return outputs[-1], outputs[:-1]


def dense(graph: Graph, layer: QuantizedDense, x: str) -> str:
    """Adds a dense layer on int8 values and returns its result's name."""
    lowered, name = lower(layer, ONNXRUNTIME), layer.name
    product, *tables = lowered.ops
    assert isinstance(product, Product)
    operands = [x, graph.constant(unsigned(product.weight.T), f"{name}/weight")]
    if product.bias is not None:
        operands.append(graph.constant(product.bias, f"{name}/bias"))
    sums = _product(graph, name, operands, product)
    y = _requantize(graph, name, sums, product.rescale.numbers, product.rescale)
    for table in tables:
        assert isinstance(table, Table)
        y = graph("Gather", _table(graph, table), y, scope=name)
    return y if tables else graph("Cast", y, scope=name, to=onnx_type(lowered.output.type))


Affine = TypeVar("Affine", Op, Product)


def groups(affines: Iterable[Affine]) -> list[tuple[Affine, ...]]:
    """Together those that multiply one value by one matrix."""
    together: dict[object, list[Affine]] = {}
    for op in affines:
        together.setdefault((op.side, op.args), []).append(op)
    return [tuple(ops) for ops in together.values()]


def stack_names(layer: str, group: Sequence[Op] | Sequence[Product]) -> tuple[str, str]:
    """What a group's stacked weights and biases are called: ``lstm1/W_ifgo``, ``lstm1/Wb_ifgo``."""
    letter, gates = {"ih": "W", "hh": "R"}[str(group[0].side)], [str(op.gate) for op in group]
    return f"{layer}/{letter}_{''.join(gates)}", f"{layer}/{letter}b_{''.join(gates)}"


def _zeros(graph: Graph, lowered: Lowered, x: str) -> list[str]:
    """Every state at its zero point, for as many sequences as x holds."""
    from onnx.numpy_helper import from_array

    name, states = lowered.name, lowered.states
    batch = graph("Shape", x, scope=name, start=1, end=2)
    shapes = {
        size: graph("Concat", batch, graph.constant([size]), scope=name, axis=0)
        for size in dict.fromkeys(s.size for s in states)
    }
    starts = [from_array(np.array([s.zero_point], s.type)) for s in states]
    return [
        graph("ConstantOfShape", shapes[state.size], scope=name, value=start)
        for state, start in zip(states, starts, strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class _Step:
    """The body of a layer's loop; `names` says what a value is called there, in which type."""

    graph: Graph
    layer: str
    names: dict[tuple[str, str], str]

    def scope(self, value: str) -> str:
        return f"{self.layer}/{value}"

    def read(self, value: str, type_name: str = "int64") -> str:
        """The value's name in a type, cast if it is not there yet."""
        if (value, type_name) not in self.names:
            have = next(name for (v, _), name in self.names.items() if v == value)
            cast = self.graph("Cast", have, scope=self.scope(value), to=onnx_type(type_name))
            self.names[value, type_name] = cast
        return self.names[value, type_name]


def _body(graph: Graph, lowered: Lowered) -> onnx.GraphProto:
    name, kept = lowered.name, (*lowered.states, lowered.input)
    step = _Step(graph, name, {(v.name, v.type): f"{name}/{v.name}" for v in kept})
    stacked = groups(op for op in lowered.ops if isinstance(op, Product))
    begins = {group[0].result: group for group in stacked}
    for op in lowered.ops:
        if not isinstance(op, Product):
            step.names[op.result, "int64"] = OPERATIONS[type(op)](step, op)
        elif op.result in begins:
            _add_products(step, begins[op.result])
    ends = [*zip(lowered.states, lowered.new_states, strict=True)]
    new = [step.read(value, state.type) for state, value in ends]
    y = graph("Identity", new[0], scope=name)  # an output of a body stands there once
    infos = {v.name: (v.type, ("batch", v.size)) for v in kept}
    results = [*zip((v.name for v in lowered.states), new, strict=True)]
    results.append((lowered.states[0].name, y))
    return graph.proto(
        f"{name}/step",
        [value_info(f"{name}/{v}", *info) for v, info in infos.items()],
        [value_info(end, *infos[state]) for state, end in results],
        constants=False,
    )


def _add_products(step: _Step, group: Sequence[Product]) -> None:
    """One product for the gates of a group, (batch, gates, rows of a gate) until it is rescaled."""
    graph, first = step.graph, group[0]
    scope, rows = step.scope(first.result), len(first.weight)
    operands = [step.read(first.args[0], first.type)]
    weight_name, bias_name = stack_names(step.layer, group)
    weight = np.concatenate([op.weight for op in group])
    operands.append(graph.constant(unsigned(weight.T), weight_name))
    if any(op.bias is not None for op in group):
        none = np.zeros(rows, np.int32)
        biases = [none if op.bias is None else op.bias for op in group]
        operands.append(graph.constant(np.concatenate(biases), bias_name))
    sums = _product(graph, scope, operands, first)
    sums = graph("Reshape", sums, graph.constant([0, len(group), rows]), scope=scope)
    numbers = [[op.rescale.numbers] for op in group]
    gates = _requantize(graph, scope, sums, numbers, first.rescale)
    for k, op in enumerate(group):
        gate = graph("Gather", gates, graph.constant(k), scope=step.scope(op.result), axis=1)
        step.names[op.result, "int64"] = gate


def _product(graph: Graph, scope: str, operands: Sequence[str], op: Product) -> str:
    """``(v - zero point) @ weight + bias`` from the names of v, weight and perhaps bias."""
    value, weight, *bias = operands
    zero_point = graph.constant(np.array(op.zero_point, op.type))
    weight_zero_point = graph.constant(WEIGHT_ZERO_POINT)
    sums = graph("MatMulInteger", value, weight, zero_point, weight_zero_point, scope=scope)
    if bias:
        sums = graph("Add", sums, *bias, scope=scope)
    return graph("Cast", sums, scope=scope, to=onnx_type("int64"))


def _add(step: _Step, op: Add) -> str:
    args, scope = [step.read(a) for a in op.args], step.scope(op.result)
    return _limited(step.graph, scope, step.graph("Add", *args, scope=scope), op.limits)


def _mul(step: _Step, op: Mul) -> str:
    args, scope = [step.read(a) for a in op.args], step.scope(op.result)
    product = step.graph("Mul", *args, scope=scope)
    return _requantize(step.graph, scope, product, op.rescale.numbers, op.rescale)


def _look_up(step: _Step, op: Table) -> str:
    arg, scope = step.read(op.args[0]), step.scope(op.result)
    value = step.graph("Gather", _table(step.graph, op), arg, scope=scope)
    return step.graph("Cast", value, scope=scope, to=onnx_type("int64"))


def _clip(step: _Step, op: Clip) -> str:
    return _limited(step.graph, step.scope(op.result), step.read(op.args[0]), op.limits)


OPERATIONS: dict[type, Callable[[_Step, Any], str]] = {
    Add: _add,
    Mul: _mul,
    Table: _look_up,
    Clip: _clip,
}


def _table(graph: Graph, op: Table) -> str:
    """Adds a table under its name, once for all layers: first the values of 0 and above."""
    values = op.values.astype(op.type)
    return graph.constant(np.roll(values, len(values) // 2), op.name)


def _requantize(graph: Graph, scope: str, x: str, numbers: Any, to: Rescale) -> str:
    """`fixedpoint.requantize` by each multiplier and shift, as `to` says behind it.

    x is int64, and no value leaves int32, shifted left neither: quantization guards that.
    """
    assert to.rounding == "requantize" and to.limits, "files have TFLM's arithmetic"
    q, shift = np.moveaxis(np.array(numbers, np.int64), -1, 0)
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
    if to.zero_point:
        x = graph("Add", x, graph.constant(to.zero_point), scope=scope)
    return _limited(graph, scope, x, to.limits)


def _limited(graph: Graph, scope: str, x: str, limits: Limits) -> str:
    low, high = (graph.constant(limit) for limit in limits)
    return graph("Clip", x, low, high, scope=scope)
