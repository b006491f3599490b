"""The oracles of every quantized kernel and file: the traced list, as each runtime rounds it.

Integers are what the list of `lower` says, with every rounding as the runtime's `Arithmetic` names
it.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.layers.directions import NEUTRAL
from edgelstm.model.forward import (
    Doubles,
    States,
    Step,
    Walk,
    affines,
    going_on,
    largest_states,
    step_of,
)
from edgelstm.model.plan import LayerPlan, plan_of
from edgelstm.model.precision import FLOAT32
from edgelstm.quantization import fixedpoint as fx
from edgelstm.quantization.fixedpoint import Int64s
from edgelstm.quantization.lower import lower
from edgelstm.quantization.operations import (
    HEADROOM,
    Add,
    Clip,
    Constant,
    Maximum,
    Mul,
    Narrow,
    Operation,
    Product,
    Rescale,
    Sum,
    Table,
    Widen,
)
from edgelstm.quantization.quantized import QuantizedNetwork, QuantizedPart
from edgelstm.quantization.reading import INTEGERS
from edgelstm.quantization.rounding import ROUNDINGS, TFLM, Arithmetic, HybridRounding

Calculate = Callable[..., Int64s]


def initial_states(network: QuantizedNetwork, batch: int) -> States:
    """States that go on, at their zero points (0.0 for hybrid): not those of reverse directions."""
    return {
        layer.name: _Rounded(layer.forward, TFLM).start(batch) for layer in going_on(network.layers)
    } | largest_states(network, batch)


def run_integers(
    network: QuantizedNetwork, x: NDArray[np.signedinteger], arithmetic: Arithmetic = TFLM
) -> Int64s:
    """The network's integers from its initial states.

    Args:
        network: An integer network.
        x: (batch, steps, input_size) integers.
        arithmetic: The runtime whose bits are wanted.

    Returns:
        (batch, steps, output_size), or (batch, output_size) if the network reads the last step.
    """
    y, _ = advance(network, x, initial_states(network, len(x)), arithmetic)
    return y.astype(np.int64)


def advance(
    network: QuantizedNetwork,
    x: NDArray[Any],
    states: States,
    arithmetic: Arithmetic = TFLM,
) -> tuple[NDArray[Any], States]:
    """As `run_integers`, from given states; also returns the states at the end.

    A reverse direction starts anew, at the last step of x. A hybrid network takes and returns real
    values.
    """
    is_real = network.input is None
    x = np.asarray(x, np.float64 if is_real else np.int64)
    walk = Walk(lambda part: _Rounded(part, arithmetic))
    if not is_real:
        walk = dataclasses.replace(walk, known=INTEGERS)
    return walk.through(network.layers, x, states)


class _Rounded:
    """A part of a network as a runtime rounds it, integers or hybrid; see `forward.Computed`."""

    def __init__(self, part: QuantizedPart, arithmetic: Arithmetic) -> None:
        own = plan_of(part, FLOAT32) if part.kind in NEUTRAL else part.plan
        self.plan, self._part, self._arithmetic = own, part, arithmetic
        self._is_real = part.input is None
        self.result, self.new_states = self.plan.result, self.plan.new_states
        if not self._is_real:
            self._lowered = lower(part, arithmetic)
            self.result, self.new_states = self._lowered.output.name, self._lowered.new_states

    @functools.cached_property
    def step(self) -> Step:
        """Integers, or real values if hybrid."""
        if self._is_real:
            return _hybrid_step(self.plan, self._part, self._arithmetic)
        return _calculation(self._lowered.ops)

    def start(self, batch: int) -> dict[str, Any]:
        """Each state at its zero point."""
        if self._is_real:
            return {s: np.zeros((batch, self.plan.sizes[s])) for s in self.plan.states}
        states = self._lowered.states
        return {s.name: np.full((batch, s.size), s.zero_point) for s in states}

    def enter(self, x: NDArray[Any]) -> NDArray[Any]:
        """All steps rounded together where the runtime does so."""
        rounds = self._is_real and self.plan.states and self._arithmetic.hybrid.whole_sequence
        return self._arithmetic.hybrid.rounded(x, (-2, -1)) if rounds else x


# ---- integers


def _calculation(ops: Sequence[Operation]) -> Step:
    """A function that adds each operation's result to the values it is given."""
    calls = [(op.result, CALCULATIONS[type(op)](op), op.args) for op in ops]

    def step(values: dict[str, Any]) -> dict[str, Any]:
        for result, calculate, args in calls:
            values[result] = calculate(*[values[a] for a in args])
        return values

    return step


def _product(op: Product) -> Calculate:
    # Exact: |v w| summed stays far below 2**53, and float64 products are ten times as fast.
    w = op.weight.T.astype(np.float64)
    bias = 0 if op.bias is None else op.bias.astype(np.int64)

    def product(v: Int64s) -> Int64s:
        sums = ((v - op.zero_point).astype(np.float64) @ w).astype(np.int64)
        return _rescaled(op.rescale, sums + bias)

    return product


def _add(op: Add) -> Calculate:
    return lambda a, b: fx.saturate(a + b, op.limits)


def _sum(op: Sum) -> Calculate:
    def added(a: Int64s, b: Int64s) -> Int64s:
        left, right = _rescaled(op.left, a << HEADROOM), _rescaled(op.right, b << HEADROOM)
        return _rescaled(op.rescale, left + op.sign * right)

    return added


def _mul(op: Mul) -> Calculate:
    return lambda a, b: _rescaled(op.rescale, a * b)


def _table(op: Table) -> Calculate:
    values = op.values
    return lambda v: values[v + len(values) // 2]


def _clip(op: Clip) -> Calculate:
    return lambda v: fx.saturate(v, op.limits)


def _maximum(op: Maximum) -> Calculate:
    return lambda a, b: np.maximum(a, b)


def _constant(op: Constant) -> Calculate:
    values = op.values.astype(np.int64)
    return lambda: values


def _narrow(op: Narrow) -> Calculate:
    return lambda v: _rescaled(op.rescale, v)


def _rescaled(by: Rescale, acc: Int64s) -> Int64s:
    v = ROUNDINGS[by.rounding].rescale(acc, *by.numbers) + by.zero_point
    return v if by.limits is None else fx.saturate(v, by.limits)


CALCULATIONS: dict[type, Callable[[Any], Calculate]] = {
    Product: _product,
    Add: _add,
    Mul: _mul,
    Table: _table,
    Clip: _clip,
    Maximum: _maximum,
    Sum: _sum,
    Constant: _constant,
    Widen: lambda op: lambda v: v,
    Narrow: _narrow,
}


# ---- hybrid: int8 weights, x and h rounded to int8 in each step, everything else real


def _hybrid_step(plan: LayerPlan, part: Any, arithmetic: Arithmetic) -> Step:
    hybrid = arithmetic.hybrid
    affine = affines(plan, part)
    for op in plan.ops:
        before = hybrid.whole_sequence and op.args == ("x",) if plan.states else not hybrid.dense
        if op.side and not before:  # peepholes are real
            affine[op.result] = _rounding(hybrid, affine[op.result])
    return step_of(plan, part, affine)


def _rounding(
    hybrid: HybridRounding, affine: Callable[[Doubles], Doubles]
) -> Callable[[Doubles], Doubles]:
    """An affine of rounded values."""
    return lambda v: affine(hybrid.rounded(v, (-1,)))
