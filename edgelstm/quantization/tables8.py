"""Functions of int8 values as operators of TFLM and LiteRT compute them, result by result."""

from typing import Any

import numpy as np

from edgelstm.quantization.fixedpoint import Int64s, saturate8


def logistic8(scale: float, zero_point: int) -> Int64s:
    """Int8 LOGISTIC of TFLM and LiteRT: the result has scale 1/256 and zero point -128."""
    return _every_int8(lambda v: 256 / (1 + np.exp(-v)), scale, zero_point, -128)


def tanh8(scale: float, zero_point: int) -> Int64s:
    """Int8 TANH of TFLM and LiteRT: the result has scale 1/128 and zero point 0."""
    return _every_int8(lambda v: 128 * np.tanh(v), scale, zero_point, 0)


def elu8(scale: float, zero_point: int, out_scale: float, out_zero_point: int) -> Int64s:
    """Int8 ELU of TFLM and LiteRT, for scales at which no result is near a tie."""
    steps = elu8_steps(scale, zero_point, out_scale)
    return saturate8(np.floor(steps + 0.5) + out_zero_point)


def elu8_steps(scale: float, zero_point: int, out_scale: float) -> Any:
    """The elu of what each int8 q stands for, in steps of the result, at index q + 128."""
    v = scale * (np.arange(-128, 128) - zero_point)
    return np.where(v > 0, v, np.expm1(np.minimum(v, 0))) / out_scale


def _every_int8(function: Any, scale: float, zero_point: int, offset: int) -> Int64s:
    """The rounded function of what each int8 q stands for, at index q + 128."""
    with np.errstate(over="ignore"):  # 1 / (1 + inf) is the right 0
        steps = function(scale * (np.arange(-128, 128) - zero_point))
    return saturate8(np.floor(steps + 0.5) + offset)
