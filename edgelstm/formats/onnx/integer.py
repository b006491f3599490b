"""Integer layers in standard ONNX operators, bit for bit: a loop over the steps of the traced list.

The body of the Scan is written from what `lower` lists; between its operations integers are int64.
Sigmoid and tanh are tables over all int16 values, which a negative index reads from their end. What
is multiplied by weights is int8, or int16: then in float64, which holds every sum exactly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.onnx.graph import WEIGHT_ZERO_POINT, Graph, onnx_type, unsigned
from edgelstm.formats.onnx.loop import Ends, add_loop, each_direction, groups, stack_names
from edgelstm.formats.onnx.rounding import limited, rescaled
from edgelstm.layers.recurrent import Recurrent
from edgelstm.quantization.lower import lower
from edgelstm.quantization.operations import (
    HEADROOM,
    Add,
    Clip,
    Constant,
    Lowered,
    Maximum,
    Mul,
    Narrow,
    Product,
    Sum,
    Table,
    Widen,
)
from edgelstm.quantization.quantized_activation import QuantizedActivation
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
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
            lambda body: _step(graph, body, lowered),
            given=given,
            reverse=reverse,
        )

    return each_direction(graph, layer, states, loop)


def dense(graph: Graph, layer: QuantizedDense | QuantizedActivation, x: str) -> str:
    """Adds a dense layer, or an activation, on integers and returns its result's name."""
    lowered = lower(layer, ONNXRUNTIME)
    step = _Step(graph, graph, lowered, {("x", lowered.input.type): x})
    *ops, last = lowered.ops
    for op in ops:
        _add_operation(step, op)
    if isinstance(last, Table):  # which holds what goes out in its type
        return _looked_up(step, last)
    _add_operation(step, last)
    return step.read(last.result, lowered.output.type)


@dataclasses.dataclass(frozen=True)
class _Step:
    """A layer's operations on their way into a graph.

    Attributes:
        around: The graph that holds the constants, `graph` itself or that around the loop.
        graph: Takes the nodes.
        layer: The list.
        names: Value and type to what it is called there.
    """

    around: Graph
    graph: Graph
    layer: Lowered
    names: dict[tuple[str, str], str]

    def scope(self, value: str) -> str:
        """In front of the names of a value's nodes; a dense layer is small enough for one."""
        return f"{self.layer.name}/{value}" if self.layer.states else self.layer.name

    def read(self, value: str, type_name: str = "int64") -> str:
        """The value's name in a type, cast if it is not there yet."""
        if (value, type_name) not in self.names:
            have = next(name for (v, _), name in self.names.items() if v == value)
            cast = self.graph("Cast", have, scope=self.scope(value), to=onnx_type(type_name))
            self.names[value, type_name] = cast
        return self.names[value, type_name]


def _step(around: Graph, body: Graph, lowered: Lowered) -> list[str]:
    """Adds the operations of a loop; names of the new states."""
    name, kept = lowered.name, (*lowered.states, lowered.input)
    step = _Step(around, body, lowered, {(v.name, v.type): f"{name}/{v.name}" for v in kept})
    stacked = groups(op for op in lowered.ops if isinstance(op, Product))
    begins = {group[0].result: group for group in stacked}
    for op in lowered.ops:
        if not isinstance(op, Product):
            _add_operation(step, op)
        elif op.result in begins:
            _add_products(step, begins[op.result])
    ends = zip(lowered.states, lowered.new_states, strict=True)
    return [step.read(value, state.type) for state, value in ends]


def _add_operation(step: _Step, op: Any) -> None:
    step.names[op.result, "int64"] = OPERATIONS[type(op)](step, op)


def _add_products(step: _Step, group: Sequence[Product]) -> None:
    """One product for the gates of a group, (batch, gates, rows of a gate) until it is rescaled."""
    graph, first = step.graph, group[0]
    scope, rows = step.scope(first.result), len(first.weight)
    weight = np.concatenate([op.weight for op in group])
    given = [op.bias for op in group if op.bias is not None]
    bias = None
    if given:
        none = np.zeros(rows, given[0].dtype)
        bias = np.concatenate([none if op.bias is None else op.bias for op in group])
    sums = _sums(step, first, stack_names(step.layer.name, group), weight, bias)
    sums = graph("Reshape", sums, graph.constant([0, len(group), rows]), scope=scope)
    numbers = [[op.rescale.numbers] for op in group]
    gates = rescaled(graph, scope, sums, numbers, first.rescale)
    for k, op in enumerate(group):
        gate = graph("Gather", gates, graph.constant(k), scope=step.scope(op.result), axis=1)
        step.names[op.result, "int64"] = gate


def _dense_product(step: _Step, op: Product) -> str:
    name, scope = step.layer.name, step.scope(op.result)
    sums = _sums(step, op, (f"{name}/weight", f"{name}/bias"), op.weight, op.bias)
    return rescaled(step.graph, scope, sums, op.rescale.numbers, op.rescale)


def _sums(
    step: _Step,
    op: Product,
    names: tuple[str, str],
    weight: NDArray[Any],
    bias: NDArray[Any] | None,
) -> str:
    """``(v - zero point) @ weight + bias``, int64; `names` are those of weight and bias."""
    graph, scope, value = step.graph, step.scope(op.result), step.read(op.args[0], op.type)
    stored = graph.constant(unsigned(weight.T), names[0])
    constants = [] if bias is None else [graph.constant(bias, names[1])]
    if op.type == "int8":
        zero_points = graph.constant(np.array(op.zero_point, op.type)), WEIGHT_ZERO_POINT
        operands = value, stored, zero_points[0], graph.constant(zero_points[1])
        sums = graph("MatMulInteger", *operands, scope=scope)
        if constants:
            sums = graph("Add", sums, *constants, scope=scope)
        return graph("Cast", sums, scope=scope, to=onnx_type("int64"))
    assert op.zero_point == 0, "int16 has none"
    double = onnx_type("float64")
    zero_point = graph.constant(np.float64(WEIGHT_ZERO_POINT))
    wide = step.around("Cast", stored, scope=names[0], to=double)
    wide = step.around("Sub", wide, zero_point, scope=names[0])
    product = graph("MatMul", graph("Cast", value, scope=scope, to=double), wide, scope=scope)
    sums = graph("Cast", product, scope=scope, to=onnx_type("int64"))
    return graph("Add", sums, *constants, scope=scope) if constants else sums


def _add(step: _Step, op: Add) -> str:
    args, scope = [step.read(a) for a in op.args], step.scope(op.result)
    return limited(step.graph, scope, step.graph("Add", *args, scope=scope), op.limits)


def _sum(step: _Step, op: Sum) -> str:
    graph, scope = step.graph, step.scope(op.result)
    headroom = graph.constant(2**HEADROOM)
    sides = [
        rescaled(graph, scope, graph("Mul", step.read(a), headroom, scope=scope), by.numbers, by)
        for a, by in zip(op.args, (op.left, op.right), strict=True)
    ]
    total = graph("Add" if op.sign > 0 else "Sub", *sides, scope=scope)
    return rescaled(graph, scope, total, op.rescale.numbers, op.rescale)


def _mul(step: _Step, op: Mul) -> str:
    args, scope = [step.read(a) for a in op.args], step.scope(op.result)
    product = step.graph("Mul", *args, scope=scope)
    return rescaled(step.graph, scope, product, op.rescale.numbers, op.rescale)


def _look_up(step: _Step, op: Table) -> str:
    value = _looked_up(step, op)
    return step.graph("Cast", value, scope=step.scope(op.result), to=onnx_type("int64"))


def _looked_up(step: _Step, op: Table) -> str:
    """From a table that stands in the file once for all layers, the values of 0 and above first."""
    values = op.values.astype(op.type)
    table = step.graph.constant(np.roll(values, len(values) // 2), op.name)
    return step.graph("Gather", table, step.read(op.args[0]), scope=step.scope(op.result))


def _clip(step: _Step, op: Clip) -> str:
    return limited(step.graph, step.scope(op.result), step.read(op.args[0]), op.limits)


def _maximum(step: _Step, op: Maximum) -> str:
    return step.graph("Max", *(step.read(a) for a in op.args), scope=step.scope(op.result))


def _constant(step: _Step, op: Constant) -> str:
    """Under the name of its value, by which peepholes are read back."""
    name = step.graph.constant(op.values, f"{step.layer.name}/{op.result}")
    return step.graph("Cast", name, scope=step.scope(op.result), to=onnx_type("int64"))


def _narrow(step: _Step, op: Narrow) -> str:
    value, scope = step.read(op.args[0]), step.scope(op.result)
    return rescaled(step.graph, scope, value, op.rescale.numbers, op.rescale)


OPERATIONS: dict[type, Callable[[_Step, Any], str]] = {
    Product: _dense_product,
    Add: _add,
    Sum: _sum,
    Mul: _mul,
    Table: _look_up,
    Clip: _clip,
    Maximum: _maximum,
    Constant: _constant,
    Widen: lambda step, op: step.read(op.args[0]),
    Narrow: _narrow,
}
