"""Cells with less in them: the plain recurrent layer, and the minimal gated unit."""

from typing import Any

from edgelstm.cells.spec import CellSpec, relu, sigmoid, tanh


def rnn(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
    """One time step (Elman 1990)."""
    return (tanh(W.n(x) + U.n(h)),)


def rnn_relu(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
    """One time step, with relu in place of tanh (Le et al. 2015); h has no upper bound."""
    return (relu(W.n(x) + U.n(h)),)


def mgu(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
    """One time step; one gate resets and updates (Zhou et al. 2016)."""
    f = sigmoid(W.f(x) + U.f(h))
    n = tanh(W.n(x) + U.n(f * h))
    return (h + f * (n - h),)


RNN = CellSpec("rnn", gates=("n",), states=("h",), equations=rnn, others=(("relu", rnn_relu),))
MGU = CellSpec("mgu", gates=("f", "n"), states=("h",), equations=mgu)
