"""The oracles of every quantized kernel and file: the traced list, as each runtime rounds it.

Integers are what the list of `lower` says, with every rounding as the runtime's `Arithmetic` names
it.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forward import Doubles, States, Step, Walk, activate, affines, step_of
from edgelstm.quantization import fixedpoint as fx
from edgelstm.quantization.fixedpoint import Int64s
from edgelstm.quantization.lower import lower
from edgelstm.quantization.operations import Add, Clip, Mul, Operation, Product, Rescale, Table
from edgelstm.quantization.quantized import (
    QuantizedDense,
    QuantizedDirection,
    QuantizedNetwork,
)
from edgelstm.quantization.rounding import ROUNDINGS, TFLM, Arithmetic, HybridRounding


Calculate = Callable[..., Int64s]


def initial_states(network: QuantizedNetwork, batch: int) -> States:
    """States that go on, at their zero points (0.0 for hybrid): not those of reverse directions."""
    return {
        layer.name: _Rounded(layer.forward, TFLM).start(batch)
        for layer in network.layers
        if isinstance(layer, Recurrent)
    }


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
    walk = Walk(
        lambda direction: _Rounded(direction, arithmetic),
        lambda layer, y: (_hybrid_dense if layer.input is None else _dense)(layer, y, arithmetic),
    )
    x = np.asarray(x, np.float64 if network.input is None else np.int64)
    return walk.through(network.layers, x, states)


class _Rounded:
    """A direction as a runtime rounds it, in integers or hybrid; see `forward.Computed`."""

    def __init__(self, direction: QuantizedDirection, arithmetic: Arithmetic) -> None:
        self.plan, self._direction, self._arithmetic = direction.plan, direction, arithmetic

    @functools.cached_property
    def step(self) -> Step:
        """Integers, or real values if hybrid."""
        if self._direction.scales:
            return _calculation(lower(self._direction, self._arithmetic).ops)
        return _hybrid_step(self._direction, self._arithmetic)

    def start(self, batch: int) -> dict[str, Any]:
        """Each state at its zero point."""
        scales = self._direction.scales
        zeros = {s: scales[s].zero_point if scales else 0.0 for s in self.plan.states}
        return {s: np.full((batch, self.plan.sizes[s]), zero) for s, zero in zeros.items()}

    def enter(self, x: NDArray[Any]) -> NDArray[Any]:
        """All steps rounded together where the runtime does so."""
        hybrid = self._arithmetic.hybrid
        rounds = not self._direction.scales and hybrid.whole_sequence
        return hybrid.rounded(x, (-2, -1)) if rounds else x


# ---- integers


def _dense(layer: QuantizedDense, x: Int64s, arithmetic: Arithmetic) -> Int64s:
    lowered = lower(layer, arithmetic)
    y: Int64s = _calculation(lowered.ops)({lowered.input.name: x})[lowered.output.name]
    return y


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


def _mul(op: Mul) -> Calculate:
    return lambda a, b: _rescaled(op.rescale, a * b)


def _table(op: Table) -> Calculate:
    values = op.values
    return lambda v: values[v + len(values) // 2]


def _clip(op: Clip) -> Calculate:
    return lambda v: fx.saturate(v, op.limits)


def _rescaled(by: Rescale, acc: Int64s) -> Int64s:
    v = ROUNDINGS[by.rounding].rescale(acc, *by.numbers) + by.zero_point
    return v if by.limits is None else fx.saturate(v, by.limits)


CALCULATIONS: dict[type, Callable[[Any], Calculate]] = {
    Product: _product,
    Add: _add,
    Mul: _mul,
    Table: _table,
    Clip: _clip,
}


# ---- hybrid: int8 weights, x and h rounded to int8 in each step, everything else real


def _hybrid_step(layer: QuantizedDirection, arithmetic: Arithmetic) -> Step:
    plan, hybrid = layer.plan, arithmetic.hybrid
    weights = {"ih": layer.weight_ih.astype(np.float64), "hh": layer.weight_hh.astype(np.float64)}
    for op in plan.ops:
        if op.side:
            weights[op.side][plan.rows(op.gate)] *= layer.weight_scales[f"{op.side} {op.gate}"]
    biases = {"ih": layer.bias_ih.astype(np.float64), "hh": layer.bias_hh.astype(np.float64)}
    affine = affines(plan, weights, biases)
    for op in plan.ops:
        if op.result in affine and not (hybrid.whole_sequence and op.args == ("x",)):
            affine[op.result] = _rounding(hybrid, affine[op.result])
    return step_of(plan, affine, layer.cell_clip)


def _rounding(
    hybrid: HybridRounding, affine: Callable[[Doubles], Doubles]
) -> Callable[[Doubles], Doubles]:
    """An affine of rounded values."""
    return lambda v: affine(hybrid.rounded(v, (-1,)))


def _hybrid_dense(layer: QuantizedDense, x: Doubles, arithmetic: Arithmetic) -> Doubles:
    weight = layer.weight.T * np.float64(layer.weight_scale)
    x = arithmetic.hybrid.rounded(x, (-1,)) if arithmetic.hybrid.dense else x
    return activate(x @ weight + layer.bias, layer.activation)
