"""Integer layers in standard ONNX operators, bit for bit: a loop over the steps of the traced list.

The body of the Scan is written from what `lower` lists; between its operations integers are int64.
Sigmoid and tanh are tables over all int16 values, which a negative index reads from their end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgelstm.formats.onnx.graph import WEIGHT_ZERO_POINT, Graph, onnx_type, unsigned
from edgelstm.formats.onnx.loop import Ends, add_loop, each_direction, groups, stack_names
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
from edgelstm.quantization.quantized import QuantizedDense, QuantizedDirection
from edgelstm.quantization.rounding import ONNXRUNTIME


def recurrent(
    graph: Graph,
    layer: Recurrent[QuantizedDirection],
    x: str,
    states: Sequence[str],
) -> Ends:
    """Adds a loop over the steps, or one in each direction; see `loop.each_direction`.

    Args:
        graph: Takes the nodes.
        layer: Integers, and one scale per value.
        x: Name of the input (steps, batch, input_size), integers.
        states: Names of the states before the first step (batch, its size); none: zeros.
    """

    def loop(direction: QuantizedDirection, given: Sequence[str], reverse: bool) -> Ends:
        lowered = lower(direction, ONNXRUNTIME)
        return add_loop(
            graph,
            lowered.name,
            lowered.states,
            {x: lowered.input},
            lambda body: _step(body, lowered),
            given=given,
            reverse=reverse,
        )

    return each_direction(graph, layer, states, loop)


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


def _step(graph: Graph, lowered: Lowered) -> list[str]:
    """Adds the operations; names of the new states."""
    name, kept = lowered.name, (*lowered.states, lowered.input)
    step = _Step(graph, name, {(v.name, v.type): f"{name}/{v.name}" for v in kept})
    stacked = groups(op for op in lowered.ops if isinstance(op, Product))
    begins = {group[0].result: group for group in stacked}
    for op in lowered.ops:
        if not isinstance(op, Product):
            step.names[op.result, "int64"] = OPERATIONS[type(op)](step, op)
        elif op.result in begins:
            _add_products(step, begins[op.result])
    ends = zip(lowered.states, lowered.new_states, strict=True)
    return [step.read(value, state.type) for state, value in ends]


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
