"""Which equations compile, and what says that others do not."""

from collections.abc import Callable
from typing import Any

import pytest

from edgelstm.cells.spec import CellSpec, sigmoid, tanh, trace


def compile_cell(spec: CellSpec, equations: Callable[..., Any]) -> None:
    """A cell with the list of `spec` and other equations."""
    from edgelstm.kernels import bind
    from edgelstm.kernels.cell_ops import Cell

    traced = trace(spec)
    cell = Cell(
        name=spec.name,
        equations=equations,
        functions={"sigmoid": sigmoid, "tanh": tanh},
        gates=spec.gates,
        states=spec.states,
        new_states=traced.new_states,
        ops=traced.ops,
        roles=(),
        clips=False,
    )
    assert bind.kernel(cell, bind.FORMATS["float32"], "sequence").function


def test_equations_that_are_not_in_the_list_do_not_compile() -> None:
    from numba.core.errors import TypingError

    def swapped(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
        r = sigmoid(W.r(x) + U.r(h))
        return (tanh(W.n(x) + U.n(r * h)),)

    def listed(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
        r = sigmoid(W.r(x) + U.r(h))
        return (tanh(W.n(x) + r * U.n(h)),)

    with pytest.raises(TypingError, match="the traced equations have no"):
        compile_cell(CellSpec("swapped", ("r", "n"), ("h",), listed), swapped)


def input_of_a_value(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
    return (tanh(W.n(sigmoid(U.r(h)))),)


def two_values_at_once(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
    r = sigmoid(W.r(x))
    return (tanh(U.n(r) + U.m(r * h)),)


def three_states(W: Any, U: Any, x: Any, h: Any, c: Any, d: Any) -> tuple[Any, Any, Any]:
    return tanh(W.n(x) + U.n(h)), d, c


@pytest.mark.parametrize(
    "equations, states, why",
    [
        (input_of_a_value, ("h",), "weight_ih multiplies v1, which is not x"),
        (two_values_at_once, ("h",), "two values are multiplied in phase 1"),
        (three_states, ("h", "c", "d"), "3 states; two have a place"),
    ],
)
def test_a_cell_that_has_no_place_is_an_error_before_it_compiles(
    equations: Callable[..., Any], states: tuple[str, ...], why: str
) -> None:
    from numba.core.errors import TypingError

    with pytest.raises(TypingError, match=why):
        compile_cell(CellSpec("new", ("r", "n", "m"), states, equations), equations)
