"""ONNX: its operators for recurrent cells and their order of gates, which stand nowhere else."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS, same_cell
from edgelstm.cells.spec import trace
from edgelstm.layers.recurrent import AnyDirection
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import FLOAT32


@dataclasses.dataclass(frozen=True)
class Operator:
    """A recurrent operator of ONNX, and how a cell is said with it.

    Attributes:
        name: Of the operator.
        gates: Blocks of rows in W, R and B, in our letters.
        attributes: Beside hidden_size and direction.
        peepholes: Blocks in P; none: the cell has no P.
        negated: Gate that the cell lacks to the one whose weights it takes, negated: with them
            sigmoid(-v) is 1 - sigmoid(v). ONNX Runtime's `input_forget` is another cell, f = 1 - i.
    """

    name: str
    gates: str
    attributes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    peepholes: str = ""
    negated: Mapping[str, str] = dataclasses.field(default_factory=dict)


COUPLED = {"i": "f"}
NATIVE = {
    "lstm": Operator("LSTM", "iofg"),
    "lstm_peephole": Operator("LSTM", "iofg", peepholes="iof"),
    "lstm_coupled": Operator("LSTM", "iofg", negated=COUPLED),
    "lstm_coupled_peephole": Operator("LSTM", "iofg", peepholes="iof", negated=COUPLED),
    "gru": Operator("GRU", "zrn", {"linear_before_reset": 1}),
    "gru_reset_before": Operator("GRU", "zrn", {"linear_before_reset": 0}),
    "rnn": Operator("RNN", "n"),
}
# Operators that ONNX Runtime has with a precision's weights; with int8 it is DynamicQuantizeLSTM.
RUN = {"float32": ("LSTM", "GRU", "RNN"), "hybrid": ("LSTM",)}


def refusal(direction: AnyDirection, precision: str) -> str | None:
    """Why .onnx has no form for a direction, at any precision; None if it has one.

    What no operator computes is a loop over the steps; it holds the weights that it multiplies by.
    """
    cell = CELLS[direction.cell_name]
    read = {(op.side, op.gate) for op in trace(cell).ops}
    for side, gate in itertools.product(("ih", "hh"), cell.gates):
        if (side, gate) not in read:
            told = f"a {cell.name} multiplies nothing by weight_{side} of its gate {gate}"
            return f"{told}, and .onnx would lose it"
    return None


def native(direction: AnyDirection, precision: str) -> Operator | None:
    """The operator that a direction is written as; None if it is a loop over the steps.

    A layer's list of operations is longer than its cell's where it clips or projects.
    """
    cell = direction.cell_name
    if plan_of(direction, FLOAT32).ops != trace(CELLS[cell]).ops:
        return None
    found = next((entry for known, entry in NATIVE.items() if same_cell(cell, known)), None)
    return found if found and found.name in RUN.get(precision, ()) else None


def to_onnx(rows: NDArray[Any], cell_name: str, blocks: str = "gates") -> NDArray[Any]:
    """Weights or biases in ONNX's order.

    Args:
        rows: With the cell's order of blocks on the first axis.
        cell_name: One that an operator computes.
        blocks: `gates`, or `peepholes`.
    """
    operator = _operator(cell_name)
    have, want = getattr(CELLS[cell_name], blocks), getattr(operator, blocks)
    return _in_order(rows, have, want, operator.negated)


def from_onnx(rows: NDArray[Any], cell_name: str, blocks: str = "gates") -> NDArray[Any]:
    """The opposite of `to_onnx`."""
    return _in_order(rows, getattr(_operator(cell_name), blocks), getattr(CELLS[cell_name], blocks))


def _operator(cell_name: str) -> Operator:
    return next(entry for known, entry in NATIVE.items() if same_cell(cell_name, known))


def _in_order(
    rows: NDArray[Any],
    have: Sequence[str],
    want: Sequence[str],
    negated: Mapping[str, str] | None = None,
) -> NDArray[Any]:
    blocks = dict(zip(have, np.split(rows, len(have)), strict=True))
    blocks |= {gate: -blocks[other] for gate, other in (negated or {}).items()}
    return np.concatenate([blocks[gate] for gate in want])
