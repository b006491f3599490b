"""Composed integers: from the list of `lower` to operators, one each.

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
    Mul,
    Narrow,
    Product,
    Sum,
    Table,
    Widen,
)

INT16 = np.iinfo("int16")
# Function of a table to the operator that has it.
TABLES = {"table_sigmoid": "LOGISTIC", "table_tanh": "TANH"}
# The default of these operators is another arithmetic, which needs powers of two everywhere.
EXACT = {"pot_scale_int16": False}


def integer_step(label: str, part: Any) -> Step:
    """A part of a network in the composed form."""
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
    return _plain(step, block, placed, TABLES[placed.op.function], version=3)


def _widen(step: Step, block: Block, placed: Placed) -> Tensor:
    """CAST: tflite-runtime has no QUANTIZE from int8 to int16."""
    return _plain(step, block, placed, "CAST", version=1)


def _narrow(step: Step, block: Block, placed: Placed) -> Tensor:
    return _plain(step, block, placed, "QUANTIZE", version=2)


def _clip(step: Step, block: Block, placed: Placed) -> Tensor:
    """MINIMUM and MAXIMUM with rows of limits, each where it cuts anything."""
    (value,), result = placed.args, step.value(placed.op.result, placed.shape())
    low, high = placed.op.limits
    row = (1,) * len(placed.leading) + result.shape[-1:]
    if high < INT16.max:
        limit = block.constant(f"{step.label}/clip", np.full(row, high, np.int16), value.scale)
        cut = (
            dataclasses.replace(result, name=f"{result.name}_below") if low > INT16.min else result
        )
        value = block.add("MINIMUM", [value, limit], cut, version=4)
    if low > INT16.min:
        name = f"{step.label}/clip_low_{'_'.join(map(str, row))}"
        limit = block.constant(name, np.full(row, low, np.int16), value.scale)
        value = block.add("MAXIMUM", [value, limit], result, version=4)
    return value


def _constant(step: Step, block: Block, placed: Placed) -> Tensor:
    """A row: peephole weights by their gate, or what all layers of a size share."""
    name, values = placed.op.result, placed.op.values.reshape(1, 1, -1)
    named = {f"{op.result}_peephole": op.gate for op in step.part.plan.ops if op.kind == "scale"}
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
    Constant: _constant,
    Widen: _widen,
    Narrow: _narrow,
}
