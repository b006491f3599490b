"""Real values: from the traced operations of a part of a network to operators, one each.

No cell is known here; int8 weights, of hybrid networks, are products' own affair.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from edgelstm.cells import CELLS
from edgelstm.formats.tflite.functions import FUNCTIONS
from edgelstm.formats.tflite.model import Tensor
from edgelstm.formats.tflite.step import Block, Placed, Step, bias_name, weight_name
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import PRECISIONS


def real_step(label: str, part: Any) -> Step:
    """A part of a float32 or hybrid network."""
    plan = plan_of(part, PRECISIONS[part.precision])
    states = {state: plan.sizes[state] for state in plan.states}
    return Step(label, part, plan.ops, plan.result, states, plan.new_states, {}, _written)


def _written(step: Step, block: Block, placed: Placed) -> Tensor:
    return KINDS[placed.op.kind](step, block, placed)


def _product(step: Step, block: Block, placed: Placed) -> Tensor:
    """FULLY_CONNECTED; a bias that is zero in all bits is absent."""
    op, side = placed.op, str(placed.op.side)
    matrix = step.part.matrix(side, op.gate)
    result = step.value(op.result, placed.shape(len(matrix.values)))
    name = f"{step.label}/{weight_name(side, op.gate)}"
    inputs = [*placed.args, block.constant(name, matrix.values, matrix.scale)]
    stacked = step.part.biases.get(side)
    rows = _rows(step, op.gate)
    if stacked is not None and any((bias := stacked[rows]).tobytes()):
        inputs.append(block.constant(f"{step.label}/{bias_name(side, op.gate)}", bias))
    keeps_axes = len(result.shape) == 3
    version = 5 if keeps_axes else 1 if matrix.scale is None else 3
    return block.add("FULLY_CONNECTED", inputs, result, {"keep_num_dims": keeps_axes}, version)


def _rows(step: Step, gate: str | None) -> slice:
    if gate is None:
        return slice(None)
    return CELLS[step.part.cell_name].rows(gate, step.part.hidden_size)


def _peephole(step: Step, block: Block, placed: Placed) -> Tensor:
    """MUL with a row of weights."""
    op, result = placed.op, step.value(placed.op.result, placed.shape())
    weights = step.part.peephole(op.gate).reshape(1, 1, -1)
    constant = block.constant(f"{step.label}/weight_peephole_{op.gate}", weights)
    return block.add("MUL", [*placed.args, constant], result)


def _complement(step: Step, block: Block, placed: Placed) -> Tensor:
    """SUB from a row of ones: of equal shapes, as broadcasting is slow in TFLM."""
    result = step.value(placed.op.result, placed.shape())
    ones = block.constant(f"ones_{result.shape[-1]}", np.ones(result.shape, np.float32))
    return block.add("SUB", [ones, *placed.args], result)


def _clip(step: Step, block: Block, placed: Placed) -> Tensor:
    """MINIMUM and MAXIMUM with the cell clip."""
    result = step.value(placed.op.result, placed.shape())
    limit = np.full(result.shape, step.part.cell_clip, np.float32)
    below = dataclasses.replace(result, name=f"{result.name}_below")
    block.add("MINIMUM", [*placed.args, block.constant(f"{step.label}/clip", limit)], below)
    return block.add("MAXIMUM", [below, block.constant(f"{step.label}/clip_low", -limit)], result)


def _plain(name: str, **options: Any) -> Callable[[Step, Block, Placed], Tensor]:
    """An operator of the operation's own arguments."""

    def add(step: Step, block: Block, placed: Placed) -> Tensor:
        result = step.value(placed.op.result, placed.shape())
        return block.add(name, placed.args, result, options)

    return add


# Kind of a traced operation to its operators on real values.
KINDS: dict[str, Callable[[Step, Block, Placed], Tensor]] = {
    "affine_ih": _product,
    "affine_hh": _product,
    "affine_hr": _product,
    "affine_dense": _product,
    "scale": _peephole,
    "add": _plain("ADD"),
    "sub": _plain("SUB"),
    "mul": _plain("MUL"),
    "complement": _complement,
    "sigmoid": _plain("LOGISTIC"),
    "tanh": _plain("TANH"),
    "relu": _plain("RELU"),
    "softmax": _plain("SOFTMAX", beta=1.0),
    "clip": _clip,
    **FUNCTIONS,
}
