"""The oracles of every integer kernel and file: the traced list, as each runtime rounds it.

One interpreter, one `Arithmetic` record per runtime. Formats come from the quantized network, and
every rounding from fixedpoint.py.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm import fixedpoint as fx
from edgelstm.cell import Op
from edgelstm.errors import ModelError
from edgelstm.fixedpoint import Int64s
from edgelstm.forward import Doubles, States, activate, affines, evaluate
from edgelstm.network import split_point
from edgelstm.quantization import integer_clip
from edgelstm.quantized import (
    QuantizedDense,
    QuantizedNetwork,
    QuantizedRecurrent,
    Scale,
)


def _double_ratio(first: float, second: float, out: float) -> float:
    return first * second / out


def _single_ratio(first: float, second: float, out: float) -> float:
    """Every step in float32, as LiteRT's Prepare computes it."""
    return float(np.float32(np.float32(first) * np.float32(second)) / np.float32(out))


def _requantized(acc: Int64s, ratio: float) -> Int64s:
    return fx.requantize(acc, *fx.quantize_multiplier(ratio))


def _ties_up(acc: Int64s, ratio: float) -> Int64s:
    return fx.requantize_ties_up(acc, *fx.quantize_multiplier(ratio))


def _shifted(acc: Int64s, ratio: float) -> Int64s:
    """Into the cell, where every scale is a power of two: a rounding shift."""
    return fx.wrap16(fx.divide_by_power(acc, 1 - math.frexp(ratio)[1]))


Rescale = Callable[[Int64s, float], Int64s]
Table = Callable[[Any, int], Int64s]


@dataclasses.dataclass(frozen=True)
class Arithmetic:
    """How one runtime rounds an integer LSTM and the dense layers around it.

    Attributes:
        ratio: (scale, scale, scale of the result) -> the real factor of a product.
        affine: Rescales a gate's accumulator.
        cell: Rescales a product that is added to the cell state.
        output: Rescales the product that becomes the output.
        sigmoid, tanh: (int16, log2 of its scale) -> Q0.15.
        saturates_recurrent: U h is cut to int16 before it is added to W x.
        dense: Rescales a dense layer's accumulator.
        dense_ratio: As `ratio`, for dense layers.
    """

    ratio: Callable[[float, float, float], float]
    affine: Rescale
    cell: Rescale
    output: Rescale
    sigmoid: Table
    tanh: Table
    saturates_recurrent: bool
    dense: Rescale
    dense_ratio: Callable[[float, float, float], float] = _double_ratio


# TensorFlow Lite Micro's reference kernels: the project's `int8`.
TFLM = Arithmetic(
    ratio=_double_ratio,
    affine=_requantized,
    cell=_requantized,
    output=_requantized,
    sigmoid=fx.table_sigmoid,
    tanh=fx.table_tanh,
    saturates_recurrent=True,
    dense=_requantized,
)
# LiteRT with its default delegate, which takes the dense layers.
LITERT = Arithmetic(
    ratio=_single_ratio,
    affine=_requantized,
    cell=_shifted,
    output=_requantized,
    sigmoid=fx.fixed_sigmoid,
    tanh=fx.fixed_tanh,
    saturates_recurrent=False,
    dense=fx.requantize_real,
)
# tflite-runtime 2.14: the same LSTM, dense layers by ruy.
TFLITE_RUNTIME = dataclasses.replace(LITERT, dense=_ties_up)


def initial_states(network: QuantizedNetwork, batch: int) -> States:
    """Every state at its zero point (0.0 for hybrid)."""
    kind = np.float64 if network.input is None else np.int64
    return {
        layer.name: {
            s: np.full((batch, layer.hidden_size), _zero(layer, s), kind) for s in layer.plan.states
        }
        for layer in network.layers
        if isinstance(layer, QuantizedRecurrent)
    }


def _zero(layer: QuantizedRecurrent, state: str) -> int:
    return layer.scales[state].zero_point if layer.scales else 0


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

    A hybrid network takes and returns real values.
    """
    y: NDArray[Any] = np.asarray(x, np.float64 if network.input is None else np.int64)
    split, after = split_point(network.layers), dict(states)
    for k, layer in enumerate(network.layers):
        if isinstance(layer, QuantizedDense):
            y = _hybrid_dense(layer, y) if layer.input is None else _dense(layer, y, arithmetic)
        else:
            step = _hybrid_step(layer) if not layer.scales else _integer_step(layer, arithmetic)
            y, after[layer.name] = _run_recurrent(layer, y, states[layer.name], step)
        if network.last_step and k + 1 == split:
            y = y[:, -1]
    return y, after


Step = Callable[[dict[str, Any]], dict[str, Any]]


def _run_recurrent(
    layer: QuantizedRecurrent, x: NDArray[Any], states: Mapping[str, Any], step: Step
) -> tuple[NDArray[Any], dict[str, Any]]:
    plan = layer.plan
    state, y = dict(states), np.empty((*x.shape[:2], layer.hidden_size), x.dtype)
    for t in range(x.shape[1]):
        values = step({"x": x[:, t], **state})
        state = {s: values[v] for s, v in zip(plan.states, plan.new_states, strict=True)}
        y[:, t] = state[plan.states[0]]
    return y, state


# ---- integers


def _integer_step(layer: QuantizedRecurrent, arithmetic: Arithmetic) -> Step:
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
    layer: QuantizedRecurrent, op: Op, arithmetic: Arithmetic
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
    layer: QuantizedRecurrent, op: Op, args: list[Int64s], arithmetic: Arithmetic
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


def _hybrid_step(layer: QuantizedRecurrent) -> Step:
    plan = layer.plan
    weights = {"ih": layer.weight_ih.astype(np.float64), "hh": layer.weight_hh.astype(np.float64)}
    for op in plan.ops:
        if op.side:
            weights[op.side][plan.rows(op.gate)] *= layer.weight_scales[f"{op.side} {op.gate}"]
    biases = {"ih": layer.bias_ih.astype(np.float64), "hh": layer.bias_hh.astype(np.float64)}
    affine = affines(plan, weights, biases)
    return lambda values: evaluate(
        plan, values, lambda op, v: affine(op, rounded8(v)), layer.cell_clip
    )


def _hybrid_dense(layer: QuantizedDense, x: Doubles) -> Doubles:
    weight = layer.weight.T * np.float64(layer.weight_scale)
    return activate(rounded8(x) @ weight + layer.bias, layer.activation)


def rounded8(v: Doubles) -> Doubles:
    """Each row rounded to 255 steps, of the size of its largest magnitude / 127."""
    scale = np.abs(v).max(-1, keepdims=True) / 127
    return np.asarray(np.rint(v / np.where(scale == 0, 1, scale)) * scale)
