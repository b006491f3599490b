"""Hybrid networks: int8 weights with one scale per gate matrix, everything else real."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.layers.dense import Dense
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.layers.weights import INT8_WEIGHTS
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import HYBRID
from edgelstm.quantization.fixedpoint import quantize_reals, short_scale
from edgelstm.quantization.quantized import (
    QuantizedDense,
    QuantizedDirection,
    QuantizedLayer,
)


def _dense(layer: Dense) -> QuantizedDense:
    scale, weight = _symmetric(layer.weight)
    return QuantizedDense(layer.name, weight, layer.bias, scale, None, None, layer.activation)


def _recurrent(layer: Recurrent[Direction]) -> Recurrent[QuantizedDirection]:
    return Recurrent(tuple(_direction(direction) for direction in layer.directions))


# Kind of a layer to the same with int8 weights and float32 biases; nothing is calibrated.
KINDS: dict[str, Callable[[Any], QuantizedLayer]] = {
    "recurrent": _recurrent,
    "dense": _dense,
    "read_steps": lambda layer: layer,
}


def _direction(layer: Direction) -> QuantizedDirection:
    plan = plan_of(layer, HYBRID)
    stacked = {"ih": layer.weight_ih, "hh": layer.weight_hh}
    weights_q = {side: np.zeros(w.shape, np.int8) for side, w in stacked.items()}
    merged = {side: np.zeros_like(b) for side, b in layer.biases.items()}
    scales = {}
    for op in plan.ops:
        if op.side:
            rows = plan.rows(op.gate)
            weight = layer.matrix(op.side, op.gate).values
            scale, weights_q[op.side][rows] = _symmetric(weight)
            scales[f"{op.side} {op.gate}"] = scale
            merged[op.side][rows] = plan.bias(op, layer.biases)
    return QuantizedDirection(
        plan,
        weights_q["ih"],
        weights_q["hh"],
        merged["ih"],
        merged["hh"],
        scales,
        scales={},
        cell_clip=layer.cell_clip,
    )


def _symmetric(weight: NDArray[np.float32]) -> tuple[float, NDArray[np.int8]]:
    """One float32 scale, max abs / 127, and the rounded weights."""
    largest = float(np.abs(weight).max())
    scale = float(np.float32(largest / 127)) or short_scale(1 / 127)
    return scale, quantize_reals(weight, scale, 0, INT8_WEIGHTS).astype(np.int8)
