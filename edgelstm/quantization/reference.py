"""The oracles of every quantized kernel and file: the traced list, as each runtime rounds it.

One interpreter; formats come from the quantized network, and every rounding from the runtime's
`Arithmetic`.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells.spec import Op
from edgelstm.errors import ModelError
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forward import Doubles, States, Step, Walk, activate, affines, step_of
from edgelstm.quantization import fixedpoint as fx
from edgelstm.quantization.fixedpoint import Int64s
from edgelstm.quantization.quantized import (
    QuantizedDense,
    QuantizedDirection,
    QuantizedNetwork,
)
from edgelstm.quantization.quantizer import integer_clip
from edgelstm.quantization.rounding import TFLM, Arithmetic, HybridRounding
from edgelstm.quantization.scales import Scale


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
        made = _integer_step if self._direction.scales else _hybrid_step
        return made(self._direction, self._arithmetic)

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


def _integer_step(layer: QuantizedDirection, arithmetic: Arithmetic) -> Step:
    affine = {op.result: _integer_affine(layer, op, arithmetic) for op in layer.plan.ops if op.side}

    def step(values: dict[str, Any]) -> dict[str, Any]:
        for op in layer.plan.ops:
            args = [values[a] for a in op.args]
            if op.side:
                values[op.result] = affine[op.result](args[0])
            else:
                values[op.result] = _integer_op(layer, op, args, arithmetic)
        return values

    return step


def _integer_affine(
    layer: QuantizedDirection, op: Op, arithmetic: Arithmetic
) -> Callable[[Int64s], Int64s]:
    """weight (v - zero point) + bias, rescaled and, where the runtime does so, saturated."""
    rows, out = layer.plan.rows(op.gate), layer.scales[op.result]
    weight, bias = (layer.weight_ih, layer.bias_ih)
    if op.side == "hh":
        weight, bias = (layer.weight_hh, layer.bias_hh)
    w, b, into = (
        weight[rows].T.astype(np.int64),
        bias[rows].astype(np.int64),
        layer.scales[op.args[0]],
    )
    ratio = arithmetic.ratio(into.scale, layer.weight_scales[f"{op.side} {op.gate}"], out.scale)
    cut = op.side == "ih" or arithmetic.saturates_recurrent

    def affine(v: Int64s) -> Int64s:
        z = arithmetic.affine(_matmul(v - into.zero_point, w) + b, ratio)
        return fx.saturate(z, out.limits) if cut else z

    return affine


def _matmul(v: Int64s, w: Int64s) -> Int64s:
    """Exact: |v w| summed stays far below 2**53, and float64 products are ten times as fast."""
    return (v.astype(np.float64) @ w.astype(np.float64)).astype(np.int64)


def _integer_op(
    layer: QuantizedDirection, op: Op, args: list[Int64s], arithmetic: Arithmetic
) -> Int64s:
    out = layer.scales[op.result]
    into = [layer.scales[a] for a in op.args]
    if op.kind == "add":
        v = args[0] + args[1]
    elif op.kind == "mul":
        rescale = arithmetic.output if layer.plan.roles[op.result] == "output" else arithmetic.cell
        ratio = _product_ratio(into, out, arithmetic)
        v = rescale(args[0] * args[1], ratio) + out.zero_point
    elif op.kind == "clip":
        limit = integer_clip(layer.cell_clip, out)
        v = np.clip(args[0], -limit, limit)
    elif op.kind in ("sigmoid", "tanh"):
        table = fx.whole_table(getattr(arithmetic, op.kind), into[0].log2)
        return table[args[0] + 32768]
    else:
        raise ModelError(f"layer '{layer.name}': operation '{op.kind}' has no integer form yet")
    return fx.saturate(v, out.limits)


def _product_ratio(into: list[Scale], out: Scale, arithmetic: Arithmetic) -> float:
    return arithmetic.ratio(into[0].scale, into[1].scale, out.scale)


def _dense(layer: QuantizedDense, x: Int64s, arithmetic: Arithmetic) -> Int64s:
    assert layer.input is not None and layer.linear is not None
    into, out = layer.input, layer.linear
    acc = _matmul(x - into.zero_point, layer.weight.T.astype(np.int64)) + layer.bias.astype(
        np.int64
    )
    ratio = arithmetic.dense_ratio(into.scale, layer.weight_scale, out.scale)
    y = fx.saturate(arithmetic.dense(acc, ratio) + out.zero_point, out.limits)
    if layer.activation == "relu":
        y = np.maximum(y, out.zero_point)
    if layer.activation == "sigmoid":
        y = fx.logistic8(out.scale, out.zero_point)[y + 128]
    return y


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
