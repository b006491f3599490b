"""Equations of a step, in whatever order and form, are recognised as those of a cell."""

from typing import Any

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.cells.spec import trace
from edgelstm.errors import ModelError
from edgelstm.formats.following.matched import matched
from edgelstm.formats.following.terms import (
    MOST_FACTORS,
    Factor,
    Rows,
    Sum,
    added,
    applied,
    multiplied,
    part,
    product,
    single,
)

HIDDEN, SIZE = 3, 2
KNOWN = [
    (name, nonlinearity)
    for name, spec in CELLS.items()
    if not spec.peepholes
    for nonlinearity in spec.nonlinearities
]
ONE = Sum(1, {}, 1.0)


class Step:
    """A cell's own operations on weights, each sum and product the other way round."""

    def __init__(self, name: str, nonlinearity: str) -> None:
        spec, rng = CELLS[name].using(nonlinearity), np.random.default_rng(0)
        rows = len(spec.gates) * HIDDEN
        self.x = single(Factor("x"), SIZE)
        self.states = [Factor("state", k) for k in range(len(spec.states))]
        self.weights = {
            "weight_ih": rng.normal(size=(rows, SIZE)).astype(np.float32),
            "weight_hh": rng.normal(size=(rows, HIDDEN)).astype(np.float32),
            "bias_ih": rng.normal(size=rows).astype(np.float32),
            "bias_hh": rng.normal(size=rows).astype(np.float32),
        }
        held = zip(spec.states, self.states, strict=True)
        values = {"x": self.x} | {s: single(f, HIDDEN) for s, f in held}
        for op in trace(spec).ops:
            args = [values[a] for a in op.args][::-1]
            values[op.result] = self._value(op, args, spec)
        self.new = [values[name] for name in trace(spec).new_states]

    def _value(self, op: Any, args: list[Sum], spec: Any) -> Sum:
        if op.side:
            place = spec.rows(op.gate, HIDDEN)
            weight, bias = (self.weights[f"{n}_{op.side}"][place] for n in ("weight", "bias"))
            return product(Rows(weight, bias), args[0])
        if op.kind == "complement":
            return added(ONE, args[0], -1)
        if op.kind == "sub":
            return added(args[1], args[0], -1)
        if op.kind in ("add", "mul"):
            return {"add": added, "mul": multiplied}[op.kind](*args)
        return applied(op.kind, args[0])


@pytest.mark.parametrize(("name", "nonlinearity"), KNOWN)
def test_every_cell_is_found_with_its_weights(name: str, nonlinearity: str) -> None:
    step = Step(name, nonlinearity)
    for turn in (1, -1):  # also with the states in the other order
        found = matched(step.states[::turn], step.new[::turn])
        assert (found.cell_name, found.nonlinearity) == (name, nonlinearity)
        assert found.states == tuple(range(len(step.states)))[::turn]
        for key, expected in step.weights.items():
            np.testing.assert_array_equal(found.weights[key], expected)


def test_an_update_may_be_written_as_keras_or_as_pytorch_does() -> None:
    """h' = z h + (1 - z) n is n + z (h - n)."""
    state, x = Factor("state", 0), single(Factor("x"), SIZE)
    h, weight = single(state, HIDDEN), np.ones((HIDDEN, HIDDEN), np.float32)

    def of_both(times: Sum | None = None) -> Sum:
        of_h = product(Rows(weight), h)
        of_h = of_h if times is None else multiplied(times, of_h)
        return added(product(Rows(weight[:, :SIZE]), x), of_h)

    r, z = applied("sigmoid", of_both()), applied("sigmoid", of_both())
    n, other = applied("tanh", of_both(r)), added(ONE, z, -1)
    keras = added(multiplied(z, h), multiplied(other, n))
    torch = added(n, multiplied(z, added(h, n, -1)))
    assert [matched([state], [new]).cell_name for new in (keras, torch)] == ["gru", "gru"]
    for wrong in (added(multiplied(z, n), multiplied(other, h)), added(keras, h), h):
        with pytest.raises(ModelError, match="its step is none of lstm, "):
            matched([state], [wrong])


def test_a_constant_beside_two_products_is_the_first_ones_bias() -> None:
    state = Factor("state", 0)
    x, h = single(Factor("x"), SIZE), single(state, HIDDEN)
    weights = [np.ones((HIDDEN, n), np.float32) for n in (SIZE, HIDDEN)]
    products = [product(Rows(w), v) for w, v in zip(weights, (x, h), strict=True)]
    row = np.array([1, 2, 3], np.float32)
    sums = added(products[0], products[1])
    new = applied("tanh", added(sums, Sum(HIDDEN, {}, row)))
    found = matched([state], [new])
    np.testing.assert_array_equal(found.weights["bias_ih"], row)
    np.testing.assert_array_equal(found.weights["bias_hh"], 0)


def test_what_would_grow_without_end_is_refused() -> None:
    value = single(Factor("x"), 2)
    with pytest.raises(ModelError, match=f"more than {MOST_FACTORS} values"):
        for _ in range(9):
            value = multiplied(value, value)
    total = Sum(2, {})
    with pytest.raises(ModelError, match="adds up more than 16 products"):
        for _ in range(99):
            total = added(total, single(Factor("x"), 2))
    with pytest.raises(ModelError, match="a part of values that are no matrix product"):
        part(single(Factor("x"), 2), 0, 1)
    with pytest.raises(ModelError, match="joins 2 and 3 values"):
        added(single(Factor("x"), 2), single(Factor("x"), 3))
