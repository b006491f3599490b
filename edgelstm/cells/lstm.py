"""The LSTM and its kin: the only place where their equations stand.

Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000); peepholes of Gers and
Schmidhuber (2000); coupled gates, i = 1 - f, as in Greff et al. (2017).
"""

from typing import Any

from edgelstm.cells.spec import CellSpec, sigmoid, tanh


def lstm(W: Any, U: Any, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """One time step: W reads the input x, U the last output h; c is the cell state."""
    i = sigmoid(W.i(x) + U.i(h))
    f = sigmoid(W.f(x) + U.f(h))
    g = tanh(W.g(x) + U.g(h))
    o = sigmoid(W.o(x) + U.o(h))
    c = f * c + i * g
    h = o * tanh(c)
    return h, c


def lstm_peephole(W: Any, U: Any, P: Any, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """One time step; the input and forget gates see the old cell state, the output gate the new."""
    i = sigmoid(W.i(x) + U.i(h) + P.i(c))
    f = sigmoid(W.f(x) + U.f(h) + P.f(c))
    g = tanh(W.g(x) + U.g(h))
    c = f * c + i * g
    o = sigmoid(W.o(x) + U.o(h) + P.o(c))
    h = o * tanh(c)
    return h, c


def lstm_coupled(W: Any, U: Any, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """One time step; what is forgotten makes room for what is new (CIFG)."""
    f = sigmoid(W.f(x) + U.f(h))
    g = tanh(W.g(x) + U.g(h))
    o = sigmoid(W.o(x) + U.o(h))
    c = f * c + (1 - f) * g
    h = o * tanh(c)
    return h, c


def lstm_coupled_peephole(W: Any, U: Any, P: Any, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """One time step; coupled gates and peepholes."""
    f = sigmoid(W.f(x) + U.f(h) + P.f(c))
    g = tanh(W.g(x) + U.g(h))
    c = f * c + (1 - f) * g
    o = sigmoid(W.o(x) + U.o(h) + P.o(c))
    h = o * tanh(c)
    return h, c


STATES = ("h", "c")

LSTM = CellSpec("lstm", ("i", "f", "g", "o"), STATES, lstm)
LSTM_PEEPHOLE = CellSpec(
    "lstm_peephole", ("i", "f", "g", "o"), STATES, lstm_peephole, peepholes=("i", "f", "o")
)
LSTM_COUPLED = CellSpec("lstm_coupled", ("f", "g", "o"), STATES, lstm_coupled)
LSTM_COUPLED_PEEPHOLE = CellSpec(
    "lstm_coupled_peephole", ("f", "g", "o"), STATES, lstm_coupled_peephole, peepholes=("f", "o")
)
