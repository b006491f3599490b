"""ONNX: its operators for recurrent cells and their order of gates, which stand nowhere else."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS

# cell -> operator, its gates in our letters, attributes
NATIVE: dict[str, tuple[str, str, dict[str, int]]] = {
    "lstm": ("LSTM", "iofg", {}),
    "gru": ("GRU", "zrn", {"linear_before_reset": 1}),
    "gru_reset_before": ("GRU", "zrn", {"linear_before_reset": 0}),
}


def to_onnx(rows: NDArray[Any], cell_name: str) -> NDArray[Any]:
    """Weights or biases with the cell's order of gates on the first axis, in ONNX's order."""
    return _reorder(rows, "".join(CELLS[cell_name].gates), NATIVE[cell_name][1])


def from_onnx(rows: NDArray[Any], cell_name: str) -> NDArray[Any]:
    """The opposite of `to_onnx`."""
    return _reorder(rows, NATIVE[cell_name][1], "".join(CELLS[cell_name].gates))


def _reorder(rows: NDArray[Any], have: str, want: str) -> NDArray[Any]:
    blocks = dict(zip(have, np.split(rows, len(have)), strict=True))
    return np.concatenate([blocks[gate] for gate in want])
