"""The GRU (Cho et al. 2014) in both forms; the update is stated once, as h = n + z * (h - n)."""

from typing import Any

from edgelstm.cells.spec import CellSpec, sigmoid, tanh


def gru(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
    """One time step; the reset gate acts after the product (PyTorch; Keras `reset_after`)."""
    r = sigmoid(W.r(x) + U.r(h))
    z = sigmoid(W.z(x) + U.z(h))
    n = tanh(W.n(x) + r * U.n(h))
    return (n + z * (h - n),)


def gru_reset_before(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
    """One time step; the reset gate acts before the product (the paper)."""
    r = sigmoid(W.r(x) + U.r(h))
    z = sigmoid(W.z(x) + U.z(h))
    n = tanh(W.n(x) + U.n(r * h))
    return (n + z * (h - n),)


GRU = CellSpec("gru", gates=("r", "z", "n"), states=("h",), equations=gru)
GRU_RESET_BEFORE = CellSpec(
    "gru_reset_before", gates=("r", "z", "n"), states=("h",), equations=gru_reset_before
)
