"""Composed integers, and what has no sums: from the list of `lower` to operators, one each.

Only the operators and versions are here that compute the same bits in TensorFlow Lite Micro, LiteRT
and tflite-runtime.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from edgelstm.formats.tflite.model import Tensor
from edgelstm.formats.tflite.step import Block, Placed, Step, bias_name, weight_name
from edgelstm.quantization.lower import lower
from edgelstm.quantization.operations import (
    Clip,
    Constant,
    Maximum,
    Mul,
    Narrow,
    Product,
    Sum,
    Table,
    Widen,
)

# Function of a table to the operator that has it, and its version.
TABLES = {
    "table_sigmoid": ("LOGISTIC", 3),
    "table_tanh": ("TANH", 3),
    "logistic8": ("LOGISTIC", 2),
    "tanh8": ("TANH", 2),
    "elu8": ("ELU", 1),
}
CLIP_VERSIONS = {"int8": 2, "int16": 4}  # of MINIMUM and MAXIMUM
# The default of these operators is another arithmetic, which needs powers of two everywhere.
EXACT = {"pot_scale_int16": False}


def integer_step(label: str, part: Any) -> Step:
    """A part of a network in the composed form, or an activation by itself in any."""
    made = lower(part)
    states = {state.name: state.size for state in made.states}
    result, new_states = made.output.name, made.new_states
    return Step(label, part, made.ops, result, states, new_states, made.scales, _written)


def _written(step: Step, block: Block, placed: Placed) -> Tensor:
    return KINDS[type(placed.op)](step, block, placed)


def _product(step: Step, block: Block, placed: Placed) -> Tensor:
    """FULLY_CONNECTED; without a bias of int64 runtimes round in another way."""
    op, (x,) = placed.op, placed.args
    rows, side = len(op.weight), op.side or "dense"
    weight = block.constant(
        f"{step.label}/{weight_name(side, op.gate)}", op.weight, op.weight_scale
    )
    assert x.scale is not None
    stored = _zeros(block, rows) if op.bias is None else op.bias
    bias = block.constant(
        f"{step.label}/{bias_name(side, op.gate)}", stored, op.weight_scale * x.scale
    )
    result = step.value(op.result, placed.shape(rows))
    options = {"keep_num_dims": len(result.shape) == 3}
    return block.add("FULLY_CONNECTED", [x, weight, bias], result, options, 7)


def _zeros(block: Block, size: int) -> Any:
    """The same array for all biases that are zero, so that the file stores it once."""
    return block.constant(f"zeros_{size}", np.zeros(size, np.int64)).data


def _sum(step: Step, block: Block, placed: Placed) -> Tensor:
    name, version = ("ADD", 3) if placed.op.sign > 0 else ("SUB", 5)
    return _plain(step, block, placed, name, version=version, options=EXACT)


def _mul(step: Step, block: Block, placed: Placed) -> Tensor:
    return _plain(step, block, placed, "MUL", version=4)


def _table(step: Step, block: Block, placed: Placed) -> Tensor:
    name, version = TABLES[placed.op.function]
    return _plain(step, block, placed, name, version=version)


def _widen(step: Step, block: Block, placed: Placed) -> Tensor:
    """CAST: tflite-runtime has no QUANTIZE from int8 to int16."""
    return _plain(step, block, placed, "CAST", version=1)


def _narrow(step: Step, block: Block, placed: Placed) -> Tensor:
    return _plain(step, block, placed, "QUANTIZE", version=2)


def _clip(step: Step, block: Block, placed: Placed) -> Tensor:
    """MINIMUM and MAXIMUM with rows of limits; where one of them cuts nothing, the other alone."""
    (value,), result = placed.args, step.value(placed.op.result, placed.shape())
    low, high = placed.op.limits
    least, most = step.scales[placed.op.result].limits
    row, version = (1,) * len(placed.leading) + result.shape[-1:], CLIP_VERSIONS[result.type]
    if high < most:
        limit = _row(block, f"{step.label}/clip", np.full(row, high, result.type), value)
        cut = dataclasses.replace(result, name=f"{result.name}_below") if low > least else result
        value = block.add("MINIMUM", [value, limit], cut, version=version)
    if low > least or high >= most:
        name = f"{step.label}/clip_low_{'_'.join(map(str, row))}"
        limit = _row(block, name, np.full(row, low, result.type), value)
        value = block.add("MAXIMUM", [value, limit], result, version=version)
    return value


def _row(block: Block, name: str, values: Any, like: Tensor) -> Tensor:
    """A constant that stands for real values as another tensor does."""
    return dataclasses.replace(block.constant(name, values, like.scale), zero_point=like.zero_point)


def _maximum(step: Step, block: Block, placed: Placed) -> Tensor:
    return _plain(step, block, placed, "MAXIMUM", version=4)


def _constant(step: Step, block: Block, placed: Placed) -> Tensor:
    """A row: peephole weights by their gate, a slope, or what all layers of a size share."""
    name = placed.op.result
    values = placed.op.values.reshape(*(1 for _ in placed.leading), -1)
    named = {f"{op.result}_peephole": op.gate for op in step.part.plan.ops if op.kind == "scale"}
    if placed.op.result == "slope":
        return block.constant(f"{step.label}/slope", values, step.scales[name].scale)
    shared = f"ones_{values.size}"
    where = f"{step.label}/weight_peephole_{named[name]}" if name in named else shared
    return block.constant(where, values, step.scales[name].scale)


def _plain(
    step: Step,
    block: Block,
    placed: Placed,
    name: str,
    *,
    version: int,
    options: dict[str, Any] | None = None,
) -> Tensor:
    """An operator of the operation's own arguments."""
    result = step.value(placed.op.result, placed.shape())
    return block.add(name, placed.args, result, options, version)


# Operation of the list to its operators.
KINDS: dict[type, Callable[[Step, Block, Placed], Tensor]] = {
    Product: _product,
    Sum: _sum,
    Mul: _mul,
    Table: _table,
    Clip: _clip,
    Maximum: _maximum,
    Constant: _constant,
    Widen: _widen,
    Narrow: _narrow,
}
