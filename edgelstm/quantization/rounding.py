"""How each runtime rounds: one record per runtime, the only place where they differ.

TFLM is TensorFlow Lite Micro with its reference kernels, whose arithmetic is the project's `int8`.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.quantization import fixedpoint as fx
from edgelstm.quantization.fixedpoint import Int64s

Doubles = NDArray[np.float64]


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


Axes = tuple[int, ...]
Rescale = Callable[[Int64s, float], Int64s]
Table = Callable[[Any, int], Int64s]


def rounded8(v: Doubles, axes: Axes = (-1,)) -> Doubles:
    """To whole steps of largest magnitude / 127, one size of step over `axes`."""
    step = np.abs(v).max(axes, keepdims=True) / 127
    return np.asarray(np.rint(v / np.where(step == 0, 1, step)) * step)


def rounded_unsigned8(v: Doubles, axes: Axes = (-1,)) -> Doubles:
    """To 256 steps from lowest to highest value, 0 among them: ONNX's DynamicQuantizeLinear."""
    low = np.minimum(v.min(axes, keepdims=True), 0)
    high = np.maximum(v.max(axes, keepdims=True), 0)
    step = (high - low) / 255
    step = np.where(step == 0, 1, step)
    zero_point = np.rint(-low / step)
    return np.asarray((np.clip(np.rint(v / step) + zero_point, 0, 255) - zero_point) * step)


@dataclasses.dataclass(frozen=True)
class HybridRounding:
    """What a runtime rounds to 8 bits in a hybrid network.

    Attributes:
        rounded: (values, axes that share a scale) -> values.
        whole_sequence: One scale for all steps of a layer's input, not one a step.
        dense: Also a dense layer's input.
    """

    rounded: Callable[[Doubles, Axes], Doubles] = rounded8
    whole_sequence: bool = False
    dense: bool = True


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
        hybrid: What it rounds in a hybrid network.
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
    hybrid: HybridRounding = HybridRounding()


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
# ONNX Runtime: the integer model is TFLM's arithmetic; hybrid is its own DynamicQuantizeLSTM.
ONNXRUNTIME = dataclasses.replace(
    TFLM, hybrid=HybridRounding(rounded_unsigned8, whole_sequence=True, dense=False)
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
