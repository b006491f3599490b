"""ONNX: its operators for recurrent cells and their order of gates, which stand nowhere else."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS, same_cell
from edgelstm.layers.recurrent import AnyDirection
from edgelstm.model.forms import precision_for
from edgelstm.model.precision import FUSED

# cell -> operator, its gates in our letters, attributes
NATIVE: dict[str, tuple[str, str, dict[str, int]]] = {
    "lstm": ("LSTM", "iofg", {}),
    "gru": ("GRU", "zrn", {"linear_before_reset": 1}),
    "gru_reset_before": ("GRU", "zrn", {"linear_before_reset": 0}),
}


def refusal(direction: AnyDirection, precision: str) -> str | None:
    """Why .onnx has no form for a direction at a precision; None if it has one.

    Integers are written operation by operation; else a cell needs an operator.
    """
    cell = direction.cell_name
    if precision_for((direction,), precision).is_integer:
        form = direction.form or precision_for((direction,), precision).form
        return None if form == FUSED else "composed integers have no .onnx yet"
    if direction.projection_size:
        return f"ONNX's operators have no projection, as this {cell} has"
    if precision == "hybrid" and not same_cell(cell, "lstm"):
        return f"ONNX Runtime has no operator with int8 weights for a {cell}, only for an lstm"
    if native(cell) is None:
        return f"ONNX has no operator for a {cell}"
    if direction.cell_clip:
        return (
            f"cell_clip is {direction.cell_clip}; ONNX's LSTM can cut the gates' sums, but not the "
            "cell"
        )
    return None


def native(cell_name: str) -> tuple[str, str, dict[str, int]] | None:
    """The entry of `NATIVE` for a cell that computes the same; None if there is none."""
    return next((entry for known, entry in NATIVE.items() if same_cell(cell_name, known)), None)


def to_onnx(rows: NDArray[Any], cell_name: str) -> NDArray[Any]:
    """Weights or biases with the cell's order of gates on the first axis, in ONNX's order."""
    return _reorder(rows, "".join(CELLS[cell_name].gates), _gates(cell_name))


def from_onnx(rows: NDArray[Any], cell_name: str) -> NDArray[Any]:
    """The opposite of `to_onnx`."""
    return _reorder(rows, _gates(cell_name), "".join(CELLS[cell_name].gates))


def _gates(cell_name: str) -> str:
    found = native(cell_name)
    assert found is not None, f"{cell_name} is refused"
    return found[1]


def _reorder(rows: NDArray[Any], have: str, want: str) -> NDArray[Any]:
    blocks = dict(zip(have, np.split(rows, len(have)), strict=True))
    return np.concatenate([blocks[gate] for gate in want])
