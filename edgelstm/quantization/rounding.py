"""How each runtime rounds: one record per runtime, the only place where they differ.

TFLM is TensorFlow Lite Micro with its reference kernels, whose arithmetic is the project's `int8`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.quantization import fixedpoint as fx
from edgelstm.quantization import tables8
from edgelstm.quantization.fixedpoint import Int64s

Doubles = NDArray[np.float64]


def _double_ratio(first: float, second: float, out: float) -> float:
    return first * second / out


def _single_ratio(first: float, second: float, out: float) -> float:
    """Every step in float32, as LiteRT's Prepare computes it."""
    return float(np.float32(np.float32(first) * np.float32(second)) / np.float32(out))


@dataclasses.dataclass(frozen=True)
class Rounding:
    """One way of multiplying an accumulator by a real ratio.

    Attributes:
        numbers: What it takes of the ratio.
        rescale: (accumulator, *numbers) -> integers.
    """

    numbers: Callable[[float], tuple[Any, ...]]
    rescale: Callable[..., Int64s]


# By the name of the function in `fixedpoint` that defines it.
ROUNDINGS = {
    "requantize": Rounding(fx.quantize_multiplier, fx.requantize),
    "requantize64": Rounding(fx.quantize_multiplier, fx.requantize64),
    "requantize_ties_up": Rounding(fx.quantize_multiplier, fx.requantize_ties_up),
    "requantize_float": Rounding(lambda ratio: (ratio,), fx.requantize_float),
    "shift16": Rounding(lambda ratio: (-fx.log2(ratio),), fx.shift16),
}
# By the same rule; a table holds the result for every integer of the argument's type.
TABLES: dict[str, Callable[..., Int64s]] = {
    "table_sigmoid": functools.partial(fx.whole_table, fx.table_sigmoid),
    "table_tanh": functools.partial(fx.whole_table, fx.table_tanh),
    "fixed_sigmoid": functools.partial(fx.whole_table, fx.fixed_sigmoid),
    "fixed_tanh": functools.partial(fx.whole_table, fx.fixed_tanh),
    "logistic8": tables8.logistic8,
    "tanh8": tables8.tanh8,
    "elu8": tables8.elu8,
}


Axes = tuple[int, ...]


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
        affine: How a gate's accumulator is rescaled, a key of `ROUNDINGS`.
        cell: How a product that is added to the cell state is.
        output: How the product that becomes the output is.
        sigmoid, tanh: From int16 to Q0.15, keys of `TABLES`.
        saturates_recurrent: U h is cut to int16 before it is added to W x.
        dense: How a dense layer's accumulator is rescaled.
        dense_ratio: As `ratio`, for dense layers.
        hybrid: What it rounds in a hybrid network.
    """

    ratio: Callable[[float, float, float], float]
    affine: str
    cell: str
    output: str
    sigmoid: str
    tanh: str
    saturates_recurrent: bool
    dense: str
    dense_ratio: Callable[[float, float, float], float] = _double_ratio
    hybrid: HybridRounding = HybridRounding()


# TensorFlow Lite Micro's reference kernels: the project's `int8`.
TFLM = Arithmetic(
    ratio=_double_ratio,
    affine="requantize",
    cell="requantize",
    output="requantize",
    sigmoid="table_sigmoid",
    tanh="table_tanh",
    saturates_recurrent=True,
    dense="requantize",
)
# ONNX Runtime: the integer model is TFLM's arithmetic; hybrid is its own DynamicQuantizeLSTM.
ONNXRUNTIME = dataclasses.replace(
    TFLM, hybrid=HybridRounding(rounded_unsigned8, whole_sequence=True, dense=False)
)
# LiteRT with its default delegate, which takes the dense layers.
LITERT = Arithmetic(
    ratio=_single_ratio,
    affine="requantize",
    cell="shift16",
    output="requantize",
    sigmoid="fixed_sigmoid",
    tanh="fixed_tanh",
    saturates_recurrent=False,
    dense="requantize_float",
    dense_ratio=_single_ratio,
)
# tflite-runtime 2.14: the same LSTM, dense layers by ruy.
TFLITE_RUNTIME = dataclasses.replace(LITERT, dense="requantize_ties_up", dense_ratio=_double_ratio)
