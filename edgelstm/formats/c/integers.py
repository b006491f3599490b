"""Integer operations as calls: reads the list of `lower`, and knows no scale and no cell.

Values are int16 less their zero points, so that a zero point moves the limits of what is rescaled,
and the place in a table of 256 entries.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgelstm.formats.c.layer import Layer
from edgelstm.quantization.fixedpoint import SIGMOID_TABLE, multiplier16
from edgelstm.quantization.operations import (
    Add,
    Clip,
    Constant,
    Lowered,
    Mul,
    Narrow,
    Operation,
    Product,
    Rescale,
    Sum,
    Table,
    Widen,
)
from edgelstm.quantization.scales import Scale

INT32 = (-(2**31), 2**31 - 1)
AFFINE, ELEMENTWISE = "edgelstm_affine.c", "edgelstm_elementwise.c"


def append_integers(layer: Layer, lowered: Lowered) -> str:
    """The calls of a lowered layer; returns the name of its output in the whole network."""
    for state in lowered.states:
        layer.keep(state.name)
    for op in lowered.ops:
        INTEGERS[type(op)](layer, op, lowered.scales)
    layer.become(tuple(state.name for state in lowered.states), lowered.new_states)
    return layer.named(lowered.output.name)


def rescale_fields(by: Rescale) -> str:
    """The initializer of an `edgelstm_rescale`."""
    q, shift = by.numbers
    if by.rounding == "requantize64":
        q = multiplier16(q)
    low, high = by.limits or INT32
    if by.limits is not None:
        low, high = low - by.zero_point, high - by.zero_point
    return f"{{{q}, {shift}, {_int32(low)}, {_int32(high)}}}"


def sigmoid_table(layer: Layer) -> str:
    """The table that sigmoid and tanh share: its name."""
    return layer.constants.array(
        "sigmoid_table", SIGMOID_TABLE[:256].astype(np.uint16), is_table=True
    )


def _int32(value: int) -> str:
    return "INT32_MIN" if value == INT32[0] else str(value)


Scales = Mapping[str, Scale]


def _product(layer: Layer, op: Product, scales: Scales) -> None:
    rows, columns = op.weight.shape
    called = f"{layer.part.name}_{op.result}"
    constants = layer.constants
    weight = constants.array(f"{called}_weight", op.weight)
    sums = "64" if op.rescale.rounding == "requantize64" else ""
    kind = np.int64 if sums else np.int32
    bias = "0" if op.bias is None else constants.array(f"{called}_bias", op.bias.astype(kind))
    fields = (weight, bias, str(rows), str(columns), rescale_fields(op.rescale))
    description = constants.description(f"edgelstm_affine{sums}", called, fields)
    text = f"edgelstm_affine{sums}_s16(&{description}, {{0}}, {{r}});"
    layer.call(text, op.args, op.result, rows, AFFINE, in_place=False)


def _add(layer: Layer, op: Add, scales: Scales) -> None:
    low, high = op.limits
    text = f"edgelstm_add_s16({{0}}, {{1}}, {{n}}, {low}, {high}, {{r}});"
    layer.call(text, op.args, op.result, layer.size(op.args[0]), ELEMENTWISE)


def _sum(layer: Layer, op: Sum, scales: Scales) -> None:
    fields = (*map(rescale_fields, (op.left, op.right, op.rescale)), str(op.sign))
    called = layer.constants.description("edgelstm_sum", f"{layer.part.name}_{op.result}", fields)
    text = f"edgelstm_sum_s16(&{called}, {{0}}, {{1}}, {{n}}, {{r}});"
    layer.call(text, op.args, op.result, layer.size(op.args[0]), ELEMENTWISE)


def _mul(layer: Layer, op: Mul, scales: Scales) -> None:
    called = _rescale(layer, op.result, op.rescale)
    text = f"edgelstm_mul_s16(&{called}, {{0}}, {{1}}, {{n}}, {{r}});"
    layer.call(text, op.args, op.result, layer.size(op.args[0]), ELEMENTWISE)


def _narrow(layer: Layer, op: Narrow, scales: Scales) -> None:
    called = _rescale(layer, op.result, op.rescale)
    text = f"edgelstm_rescale_s16(&{called}, {{0}}, {{n}}, {{r}});"
    layer.call(text, op.args, op.result, layer.size(op.args[0]), ELEMENTWISE)


def _rescale(layer: Layer, result: str, by: Rescale) -> str:
    called = f"{layer.part.name}_{result}"
    return layer.constants.description("edgelstm_rescale", called, [rescale_fields(by)[1:-1]])


def _table(layer: Layer, op: Table, scales: Scales) -> None:
    size, kind = layer.size(op.args[0]), op.function.removeprefix("table_")
    if op.function.startswith("table_"):
        (log2,) = op.numbers
        text = f"edgelstm_{kind}_s16({sigmoid_table(layer)}, {log2 + 12}, {{0}}, {{n}}, {{r}});"
    else:
        into, out = scales[op.args[0]], scales[op.result]
        values = (op.values - out.zero_point).astype(np.int16)
        name = f"{layer.part.name}_{op.result}_table"
        table = layer.constants.array(name, values, is_table=True)
        offset = len(values) // 2 + into.zero_point
        text = f"edgelstm_lookup_s16({table}, {offset}, {{0}}, {{n}}, {{r}});"
    layer.call(text, op.args, op.result, size, ELEMENTWISE)


def _clip(layer: Layer, op: Clip, scales: Scales) -> None:
    low, high = op.limits
    text = f"edgelstm_clip_s16({{0}}, {{n}}, {low}, {high}, {{r}});"
    layer.call(text, op.args, op.result, layer.size(op.args[0]), ELEMENTWISE)


def _constant(layer: Layer, op: Constant, scales: Scales) -> None:
    values = op.values.astype(np.int16)
    name = layer.constants.array(f"{layer.part.name}_{op.result}", values)
    layer.constant(op.result, name, len(values))


def _widen(layer: Layer, op: Widen, scales: Scales) -> None:
    layer.same(op.result, op.args[0], layer.size(op.args[0]))


INTEGERS: dict[type[Operation], Callable[[Layer, Any, Scales], None]] = {
    Product: _product,
    Add: _add,
    Sum: _sum,
    Mul: _mul,
    Table: _table,
    Clip: _clip,
    Constant: _constant,
    Widen: _widen,
    Narrow: _narrow,
}
