"""Rows for kernels/integer_program.py: one function per kind of operation that `lower` lists."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgelstm.execution.bytecode.builder import Builder, Program, Slot
from edgelstm.quantization.fixedpoint import wrap32
from edgelstm.quantization.lower import lower
from edgelstm.quantization.operations import (
    Add,
    Clip,
    Limits,
    Mul,
    Product,
    Rescale,
    Table,
)
from edgelstm.quantization.quantized import QuantizedPart

POOLS = {"weights": "int8", "biases": "int32", "tables": "int16"}
WIDE = (-32768, 32767)

Places = Mapping[str, Slot]


def builder() -> Builder:
    """An empty program for the integer kernel."""
    from edgelstm.kernels import integer_program

    return Builder(integer_program)


def program(built: Builder, ends: tuple[Slot, Slot]) -> Program:
    """The finished program."""
    return built.program(POOLS, "int16", ends)


def add(built: Builder, part: QuantizedPart, x: Slot) -> Slot:
    """One row per operation, then the new states move to the places of the old.

    Returns where the result lies.
    """
    lowered = lower(part)
    places = {lowered.input.name: x}
    for s in lowered.states:
        places[s.name] = built.state(lowered.name, s.name, s.size, start=s.zero_point)
    for op in lowered.ops:
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
    columns = {
        "COLUMNS": x.size,
        "WEIGHT": built.constant("weights", op.weight),
        "BIAS": built.constant("biases", wrap32(folded)),
    }
    built.row("AFFINE", places[op.result], x, **columns, **_rescaled(op.rescale))


def _add(built: Builder, op: Add, places: Places) -> None:
    built.row("ADD", places[op.result], *(places[a] for a in op.args), **_limits(op.limits))


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


ROWS: dict[type, Callable[[Builder, Any, Places], None]] = {
    Product: _product,
    Add: _add,
    Mul: _mul,
    Table: _table,
    Clip: _clip,
}


def _rescaled(by: Rescale) -> dict[str, int]:
    assert by.rounding == "requantize" and by.limits, "the kernel has TFLM's arithmetic"
    multiplier, shift = by.numbers
    return {"MULTIPLIER": multiplier, "SHIFT": shift, "ZERO": by.zero_point, **_limits(by.limits)}


def _limits(limits: Limits) -> dict[str, int]:
    low, high = limits
    return {"LOW": low, "HIGH": high}
