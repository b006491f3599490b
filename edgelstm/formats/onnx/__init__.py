"""ONNX: its operators for recurrent cells and their order of gates, which stand nowhere else."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS, same_cell
from edgelstm.cells.spec import CellSpec, trace
from edgelstm.layers.recurrent import AnyDirection
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import FLOAT32


@dataclasses.dataclass(frozen=True)
class Operator:
    """A recurrent operator of ONNX, and how a cell is said with it.

    Attributes:
        cell: Key of `CELLS`: it serves every cell that computes the same.
        name: Of the operator.
        gates: Blocks of rows in W, R and B, in our letters.
        attributes: Beside hidden_size and direction.
        peepholes: Blocks in P; none: the cell has no P.
        negated: Gate that the cell lacks to the one whose weights it takes, negated: with them
            sigmoid(-v) is 1 - sigmoid(v). ONNX Runtime's `input_forget` is another cell, f = 1 - i.
        nonlinearity: As in `recurrent.Direction`.
    """

    cell: str
    name: str
    gates: str
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    peepholes: str = ""
    negated: Mapping[str, str] = dataclasses.field(default_factory=dict)
    nonlinearity: str = "tanh"

    @property
    def spec(self) -> CellSpec:
        """What it computes."""
        return CELLS[self.cell].using(self.nonlinearity)


COUPLED = {"i": "f"}
NATIVE = (
    Operator("lstm", "LSTM", "iofg"),
    Operator("lstm_peephole", "LSTM", "iofg", peepholes="iof"),
    Operator("lstm_coupled", "LSTM", "iofg", negated=COUPLED),
    Operator("lstm_coupled_peephole", "LSTM", "iofg", peepholes="iof", negated=COUPLED),
    Operator("gru", "GRU", "zrn", {"linear_before_reset": 1}),
    Operator("gru_reset_before", "GRU", "zrn", {"linear_before_reset": 0}),
    Operator("rnn", "RNN", "n"),
    Operator("rnn", "RNN", "n", {"activations": ["Relu"]}, nonlinearity="relu"),
)
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
    spec, plan = CELLS[direction.cell_name], plan_of(direction, FLOAT32)
    computes = spec.gates, plan.states, plan.ops, plan.new_states
    for entry in NATIVE:
        known, traced = entry.spec, trace(entry.spec)
        if computes == (known.gates, known.states, traced.ops, traced.new_states):
            return entry if entry.name in RUN.get(precision, ()) else None
    return None


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
    return next(entry for entry in NATIVE if same_cell(cell_name, entry.cell))


def _in_order(
    rows: NDArray[Any],
    have: Sequence[str],
    want: Sequence[str],
    negated: Mapping[str, str] | None = None,
) -> NDArray[Any]:
    blocks = dict(zip(have, np.split(rows, len(have)), strict=True))
    blocks |= {gate: -blocks[other] for gate, other in (negated or {}).items()}
    return np.concatenate([blocks[gate] for gate in want])
