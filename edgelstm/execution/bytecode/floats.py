"""Rows for kernels/float_program.py: float32, and hybrid with its int8 weights."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from edgelstm.cells.spec import Op
from edgelstm.execution.bytecode.builder import Builder, Program, Slot
from edgelstm.layers.matrix import Matrix
from edgelstm.model.forward import WITH_CONSTANTS
from edgelstm.model.network import Part
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import FLOAT32
from edgelstm.quantization.quantized import QuantizedPart

POOLS = {"weights": "float32", "weights_q": "int8", "biases": "float32", "constants": "float32"}


def builder() -> Builder:
    """An empty program for the float kernel."""
    from edgelstm.kernels import float_program

    return Builder(float_program)


def program(built: Builder, ends: tuple[Slot, Slot], parts: Sequence[Any]) -> Program:
    """The finished program of these parts."""
    return built.program(POOLS, "float32", ends, ("float32", "float32"))


def add(built: Builder, part: Part | QuantizedPart, x: Slot) -> Slot:
    """One row per operation, then the new states move to the places of the old.

    Returns where the result lies.
    """
    plan = plan_of(part, FLOAT32)
    places = {"x": x}
    for state in plan.states:
        places[state] = built.state(plan.name, state, plan.sizes[state], start=0)
    for op in plan.ops:
        places[op.result] = built.place(plan.sizes[op.result])
        _operation(built, part, op, places)
    for state, new in zip(plan.states, plan.new_states, strict=True):
        built.row("COPY", places[state], places[new])
    return places[plan.states[0] if plan.states else plan.result]


def _operation(built: Builder, part: Any, op: Op, places: Mapping[str, Slot]) -> None:
    out, args = places[op.result], [places[a] for a in op.args]
    if op.side:
        bias = plan_of(part, FLOAT32).bias(op, part.biases)
        _affine(built, out, args[0], part.matrix(op.side, op.gate), bias)
    elif op.kind == "scale":
        built.row("SCALE", out, *args, CONSTANT=built.constant("constants", part.peephole(op.gate)))
    elif op.kind == "clip":
        built.row("CLIP", out, *args, CONSTANT=built.constant("constants", part.cell_clip))
    elif op.kind in WITH_CONSTANTS:
        built.row(op.kind.upper(), out, *args, CONSTANT=built.constant("constants", part.constants))
    else:
        built.row(op.kind.upper(), out, *args)


def _affine(built: Builder, out: Slot, x: Slot, matrix: Matrix, bias: NDArray[Any]) -> None:
    columns = {"COLUMNS": x.size, "BIAS": built.constant("biases", bias)}
    if matrix.scale is None:
        weight = built.constant("weights", matrix.values)
        built.row("AFFINE", out, x, WEIGHT=weight, **columns)
    else:
        columns["CONSTANT"] = built.constant("constants", matrix.scale)
        weight = built.constant("weights_q", matrix.values)
        built.row("AFFINE_ROUNDED", out, x, WEIGHT=weight, **columns)
