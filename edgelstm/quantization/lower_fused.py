"""The fused form as a list of operations: formats by role, as runtimes' LSTM operators have them.

Where runtimes round differently, their `Arithmetic` says how.
"""

from collections.abc import Callable
from typing import Any

from edgelstm.cells.spec import Op
from edgelstm.errors import ModelError
from edgelstm.model.forms import plan_refusal
from edgelstm.quantization.operations import (
    Add,
    Clip,
    Lowered,
    Mul,
    Operation,
    Product,
    Rescale,
    Stored,
    Table,
)
from edgelstm.quantization.quantized_activation import QuantizedActivation
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.rounding import Arithmetic
from edgelstm.quantization.scales import integer_clip

# Activation to its table: of a dense layer, or by itself.
TABLES = {"sigmoid": "logistic8", "tanh": "tanh8"}


def lower_direction(layer: QuantizedDirection, arithmetic: Arithmetic) -> Lowered:
    """One direction of a recurrent layer; `ModelError` if it has no fused form."""
    plan, scales = layer.plan, layer.scales
    if told := plan_refusal(plan):
        raise ModelError(f"layer '{plan.name}': {told}")

    def stored(value: str) -> Stored:
        return Stored(value, plan.sizes[value], scales[value].type, scales[value].zero_point)

    return Lowered(
        plan.name,
        stored("x"),
        stored(plan.new_states[0]),
        tuple(FUSED[op.kind](layer, op, arithmetic) for op in plan.ops),
        scales,
        tuple(map(stored, plan.states)),
        plan.new_states,
    )


def lower_dense(layer: QuantizedDense, arithmetic: Arithmetic) -> Lowered:
    """A dense layer: a product, and a table behind it."""
    assert layer.input is not None and layer.linear is not None
    into, out, (low, high) = layer.input, layer.linear, layer.linear.limits
    is_wide = out.type == "int16"
    ratio = arithmetic.dense_ratio(into.scale, layer.weight_scale, out.scale)
    limits = (out.zero_point if layer.activation == "relu" else low, high)
    rounding = WIDE_SUMS if is_wide else arithmetic.dense
    rescale = Rescale(rounding, ratio, out.zero_point, limits)
    product = Product(
        "linear",
        ("x",),
        layer.weight,
        layer.weight_scale,
        layer.bias,
        into.zero_point,
        into.type,
        rescale,
    )
    ops: tuple[Operation, ...] = (product,)
    output = layer.output
    if layer.activation in TABLES:
        name, ends = f"{layer.name}/table", (out.scale, out.zero_point)
        function = TABLES[layer.activation]
        ops += (Table(layer.plan.result, ("linear",), function, ends, name, output.type),)
    return Lowered(
        layer.name,
        Stored("x", layer.input_size, into.type, into.zero_point),
        Stored(ops[-1].result, layer.output_size, output.type, output.zero_point),
        ops,
        {"x": into, "linear": out, ops[-1].result: output},
    )


def lower_activation(layer: QuantizedActivation) -> Lowered:
    """An activation by itself: a clip, or a table."""
    into, out = layer.input, layer.activated
    op = BEHIND[layer.function](layer)
    return Lowered(
        layer.name,
        Stored("x", layer.input_size, into.type, into.zero_point),
        Stored(op.result, layer.output_size, out.type, out.zero_point),
        (op,),
        layer.scales,
    )


def integer_limits(layer: QuantizedActivation) -> tuple[int, int]:
    """Of a clamp."""
    low, high = map(layer.input.integer, layer.given)
    return low, high


def activation_table(layer: QuantizedActivation) -> Table:
    """Of int8 values: what an activation gives for each."""
    into, out = layer.input, layer.activated
    numbers: tuple[Any, ...] = (into.scale, into.zero_point)
    if layer.function == "elu":
        numbers += (out.scale, out.zero_point)
    name, function = f"{layer.name}/table", {**TABLES, "elu": "elu8"}[layer.function]
    return Table(layer.plan.result, ("x",), function, numbers, name, out.type)


def _cut(layer: QuantizedActivation) -> Clip:
    return Clip(layer.plan.result, ("x",), integer_limits(layer))


# Activation by itself to its row of the list.
BEHIND: dict[str, Callable[[QuantizedActivation], Operation]] = {
    "clamp": _cut,
    "sigmoid": activation_table,
    "tanh": activation_table,
    "elu": activation_table,
}

# Of products of 16-bit values, whose sums are int64.
WIDE_SUMS = "requantize64"


def _product(layer: QuantizedDirection, op: Op, arithmetic: Arithmetic) -> Product:
    side, gate = str(op.side), str(op.gate)
    matrix, bias = layer.matrix(side, gate), layer.biases[side][layer.plan.rows(gate)]
    into, out = layer.scales[op.args[0]], layer.scales[op.result]
    assert matrix.scale is not None
    cut = op.side == "ih" or arithmetic.saturates_recurrent
    rescale = Rescale(
        WIDE_SUMS if into.type == "int16" else arithmetic.affine,
        arithmetic.ratio(into.scale, matrix.scale, out.scale),
        out.zero_point,
        out.limits if cut else None,
    )
    return Product(
        op.result,
        op.args,
        matrix.values,
        matrix.scale,
        bias if layer.plan.biases[op.result] else None,
        into.zero_point,
        into.type,
        rescale,
        op.side,
        op.gate,
    )


def _add(layer: QuantizedDirection, op: Op, arithmetic: Arithmetic) -> Add:
    return Add(op.result, op.args, layer.scales[op.result].limits)


def _mul(layer: QuantizedDirection, op: Op, arithmetic: Arithmetic) -> Mul:
    (a, b), out = (layer.scales[v].scale for v in op.args), layer.scales[op.result]
    becomes_output = layer.plan.roles[op.result] == "output"
    rounding = arithmetic.output if becomes_output else arithmetic.cell
    ratio = arithmetic.ratio(a, b, out.scale)
    return Mul(op.result, op.args, Rescale(rounding, ratio, out.zero_point, out.limits))


def _table(layer: QuantizedDirection, op: Op, arithmetic: Arithmetic) -> Table:
    into, function = layer.scales[op.args[0]], getattr(arithmetic, op.kind)
    name = f"{op.kind}_2^{into.log2}"
    return Table(op.result, op.args, function, (into.log2,), name, layer.scales[op.result].type)


def _clip(layer: QuantizedDirection, op: Op, arithmetic: Arithmetic) -> Clip:
    limit = integer_clip(layer.cell_clip, layer.scales[op.result])
    return Clip(op.result, op.args, (-limit, limit))


# Kind of a traced operation to its row of the list.
FUSED: dict[str, Callable[[QuantizedDirection, Op, Arithmetic], Operation]] = {
    "affine_ih": _product,
    "affine_hh": _product,
    "add": _add,
    "mul": _mul,
    "sigmoid": _table,
    "tanh": _table,
    "clip": _clip,
}
