"""The LSTM: the only place where its equations stand.

Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000).
"""

from typing import Any

from edgelstm.cell import CellSpec, sigmoid, tanh


def lstm(W: Any, U: Any, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """One time step: W reads the input x, U the last output h; c is the cell state."""
    i = sigmoid(W.i(x) + U.i(h))
    f = sigmoid(W.f(x) + U.f(h))
    g = tanh(W.g(x) + U.g(h))
    o = sigmoid(W.o(x) + U.o(h))
    c = f * c + i * g
    h = o * tanh(c)
    return h, c


LSTM = CellSpec("lstm", gates=("i", "f", "g", "o"), states=("h", "c"), equations=lstm)
