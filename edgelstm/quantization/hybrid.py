"""Hybrid networks: int8 weights with one scale per gate matrix, everything else real."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells.spec import Op
from edgelstm.layers.dense import Dense
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.layers.weights import INT8_WEIGHTS
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import HYBRID
from edgelstm.quantization.fixedpoint import quantize_reals, short_scale
from edgelstm.quantization.quantized import QuantizedLayer
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.weights import Affine, Doubles, Floats, quantized_direction


def _dense(layer: Dense) -> QuantizedDense:
    scale, weight = _symmetric(layer.weight)
    return QuantizedDense(
        layer.name, weight, layer.bias, scale, None, None, layer.activation, HYBRID
    )


def _recurrent(layer: Recurrent[Direction]) -> Recurrent[QuantizedDirection]:
    return Recurrent(tuple(_direction(direction) for direction in layer.directions))


# Kind of a layer to the same with int8 weights and float32 biases; nothing is calibrated.
KINDS: dict[str, Callable[[Any], QuantizedLayer]] = {
    "recurrent": _recurrent,
    "dense": _dense,
    **dict.fromkeys(
        ("read_steps", "repeat", "reverse_steps", "activation", "layer_norm"), lambda layer: layer
    ),
}


def _direction(layer: Direction) -> QuantizedDirection:
    def affine(where: str, op: Op, weight: Floats, bias: Doubles) -> Affine:
        scale, weight_q = _symmetric(weight)
        return scale, weight_q, bias.astype(np.float32)

    def peephole(weight: Floats) -> tuple[None, Floats]:
        return None, weight

    return quantized_direction(layer, plan_of(layer, HYBRID), affine, {}, {}, peephole)


def _symmetric(weight: NDArray[np.float32]) -> tuple[float, NDArray[np.int8]]:
    """One float32 scale, max abs / 127, and the rounded weights."""
    largest = float(np.abs(weight).max())
    scale = float(np.float32(largest / 127)) or short_scale(1 / 127)
    return scale, quantize_reals(weight, scale, 0, INT8_WEIGHTS).astype(np.int8)
