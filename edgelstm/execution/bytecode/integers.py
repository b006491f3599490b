"""Rows for kernels/integer_program.py: one function per kind of operation that `lower` lists."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgelstm.execution.bytecode.builder import Builder, Program, Slot
from edgelstm.quantization.fixedpoint import multiplier16, wrap32
from edgelstm.quantization.lower import lower
from edgelstm.quantization.lower_fused import WIDE_SUMS
from edgelstm.quantization.operations import (
    Add,
    Clip,
    Constant,
    Limits,
    Maximum,
    Mul,
    Narrow,
    Product,
    Rescale,
    Sum,
    Table,
    Widen,
)
from edgelstm.quantization.quantized import QuantizedPart

POOLS = {"weights": "int8", "biases": "int32", "wide_biases": "int64", "tables": "int16"}
WIDE = (-32768, 32767)
SUMS = "sums of products"  # their place, shared by all products of a part

Places = Mapping[str, Slot]


def builder() -> Builder:
    """An empty program for the integer kernel."""
    from edgelstm.kernels import integer_program

    return Builder(integer_program)


def program(built: Builder, ends: tuple[Slot, Slot], parts: Sequence[QuantizedPart]) -> Program:
    """The finished program of these parts."""
    types = lower(parts[0]).input.type, lower(parts[-1]).output.type
    return built.program(POOLS, "int16", ends, types)


def add(built: Builder, part: QuantizedPart, x: Slot) -> Slot:
    """One row per operation, then the new states move to the places of the old.

    Returns where the result lies.
    """
    lowered = lower(part)
    places = {lowered.input.name: x}
    for s in lowered.states:
        places[s.name] = built.state(lowered.name, s.name, s.size, start=s.zero_point)
    rows = [len(op.weight) for op in lowered.ops if isinstance(op, Product)]
    if rows:
        places[SUMS] = built.place(built.kernel.SUM_PLACES * max(rows), align=4)
    for op in lowered.ops:
        if isinstance(op, Constant):
            places[op.result] = built.fixed(op.values)
        elif isinstance(op, Widen):  # all places are wide
            places[op.result] = places[op.args[0]]
        else:
            size = len(op.weight) if isinstance(op, Product) else places[op.args[0]].size
            places[op.result] = built.place(size)
            ROWS[type(op)](built, op, places)
    for s, new in zip(lowered.states, lowered.new_states, strict=True):
        built.row("COPY", places[s.name], places[new], **_limits(WIDE))
    return places[lowered.output.name]


def _product(built: Builder, op: Product, places: Places) -> None:
    """The zero point of what comes in is folded into the bias."""
    x = places[op.args[0]]
    folded = -op.zero_point * op.weight.astype(np.int64).sum(1)
    if op.bias is not None:
        folded += op.bias
    weight = built.constant("weights", op.weight.T)
    columns = {"COLUMNS": x.size, "WEIGHT": weight, "SUMS": places[SUMS].start}
    if op.rescale.rounding == WIDE_SUMS:
        reach = np.abs(op.weight.astype(np.int64)).sum(1) * -WIDE[0] + np.abs(folded)
        kind, pool = (
            ("AFFINE_SHORT", "biases") if reach.max() < 2**31 else ("AFFINE_WIDE", "wide_biases")
        )
        q, shift = op.rescale.numbers
        columns |= {"BIAS": built.constant(pool, folded), "ZERO": op.rescale.zero_point}
        columns |= {"MULTIPLIER": multiplier16(q), "SHIFT": shift}
        assert op.rescale.limits
        built.row(kind, places[op.result], x, **columns, **_limits(op.rescale.limits))
        return
    columns |= {"BIAS": built.constant("biases", wrap32(folded))}
    built.row("AFFINE", places[op.result], x, **columns, **_rescaled(op.rescale))


def _add(built: Builder, op: Add, places: Places) -> None:
    built.row("ADD", places[op.result], *(places[a] for a in op.args), **_limits(op.limits))


def _sum(built: Builder, op: Sum, places: Places) -> None:
    (q, shift), (other_q, other_shift) = op.left.numbers, op.right.numbers
    columns = {
        "A_MULTIPLIER": q,
        "A_SHIFT": shift,
        "B_MULTIPLIER": op.sign * other_q,
        "B_SHIFT": other_shift,
    }
    args = (places[a] for a in op.args)
    built.row("SUM", places[op.result], *args, **columns, **_rescaled(op.rescale))


def _narrow(built: Builder, op: Narrow, places: Places) -> None:
    built.row("RESCALE", places[op.result], places[op.args[0]], **_rescaled(op.rescale))


def _mul(built: Builder, op: Mul, places: Places) -> None:
    built.row("MUL", places[op.result], *(places[a] for a in op.args), **_rescaled(op.rescale))


def _table(built: Builder, op: Table, places: Places) -> None:
    """A table of int8 values is continued at its ends: indices beyond never come up."""
    missing = 32768 - len(op.values) // 2
    table = built.table(np.pad(op.values, missing, "edge").astype(np.int16))
    columns = {"TABLE_ROW": table, **_limits(WIDE)}
    built.row("TABLE", places[op.result], places[op.args[0]], **columns)


def _clip(built: Builder, op: Clip, places: Places) -> None:
    built.row("CLIP", places[op.result], places[op.args[0]], **_limits(op.limits))


def _maximum(built: Builder, op: Maximum, places: Places) -> None:
    columns = _limits(WIDE)
    built.row("MAXIMUM", places[op.result], *(places[a] for a in op.args), **columns)


ROWS: dict[type, Callable[[Builder, Any, Places], None]] = {
    Product: _product,
    Add: _add,
    Mul: _mul,
    Table: _table,
    Clip: _clip,
    Maximum: _maximum,
    Sum: _sum,
    Narrow: _narrow,
}


def _rescaled(by: Rescale) -> dict[str, int]:
    assert by.rounding == "requantize" and by.limits, "the kernel has TFLM's arithmetic"
    multiplier, shift = by.numbers
    return {"MULTIPLIER": multiplier, "SHIFT": shift, "ZERO": by.zero_point, **_limits(by.limits)}


def _limits(limits: Limits) -> dict[str, int]:
    low, high = limits
    return {"LOW": low, "HIGH": high}
