"""Integer arithmetic in NumPy: the definition of every rounding, saturation and table.

Kernels and ONNX graphs are tested equal to these functions. All work on int64 arrays, element by
element; `>>` is the arithmetic (floor) shift. It is the arithmetic of TensorFlow Lite Micro's and
LiteRT's kernels: gemmlowp's fixed-point primitives and the table of TFLM's `lstm_eval`.
"""

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]

INT16 = np.arange(-32768, 32768, dtype=np.int64)


# ---- saturation, wrapping


def saturate(x: Any, limits: tuple[int, int]) -> Int64s:
    """x clipped to the limits of a type."""
    return np.asarray(np.clip(x, *limits), np.int64)


def saturate16(x: Any) -> Int64s:
    """x clipped to int16."""
    return saturate(x, (-32768, 32767))


def saturate8(x: Any) -> Int64s:
    """x clipped to int8."""
    return saturate(x, (-128, 127))


def wrap32(x: Any) -> Int64s:
    """x as two's complement arithmetic in 32 bits leaves it."""
    return ((np.asarray(x, np.int64) + 2**31) & 0xFFFFFFFF) - 2**31


def wrap16(x: Any) -> Int64s:
    """x as two's complement arithmetic in 16 bits leaves it."""
    return ((np.asarray(x, np.int64) + 2**15) & 0xFFFF) - 2**15


# ---- scales and multipliers


def short_scale(scale: float) -> float:
    """A scale rounded up to 12 significant bits.

    The product of two such scales is exact in float32, so TFLM, which multiplies scales in double,
    and LiteRT, which multiplies them in float32, form the same multiplier.

    >>> short_scale(0.1), short_scale(2.0**-15) == 2.0**-15
    (0.100006103515625, True)
    """
    mantissa, exponent = math.frexp(scale)
    return math.ldexp(math.ceil(mantissa * 4096), exponent - 12)


def log2(scale: float) -> int:
    """The exponent of a scale or ratio that is a power of two."""
    mantissa, exponent = math.frexp(scale)
    assert mantissa == 0.5, f"{scale} is not a power of two"
    return exponent - 1


def quantize_multiplier(real: float) -> tuple[int, int]:
    """``(q, shift)`` with ``real ~= q * 2**(shift - 31)`` and 2**30 <= q < 2**31, for real >= 0.

    >>> quantize_multiplier(0.0123), quantize_multiplier(2.0**-15), quantize_multiplier(1e-11)
    ((1690499128, -6), (1073741824, -14), (0, 0))
    """
    if real == 0:
        return 0, 0
    mantissa, shift = math.frexp(real)
    q = math.floor(mantissa * 2**31 + 0.5)
    if q == 2**31:
        q, shift = 2**30, shift + 1
    return (0, 0) if shift < -31 else (q, shift)


def quantize_reals(x: Any, scale: float, zero_point: int, limits: tuple[int, int]) -> Int64s:
    """Real values to integers: ``clip(round_half_even(x / scale) + zero_point)`` in float64."""
    steps = np.rint(np.asarray(x, np.float64) / scale) + zero_point
    return np.asarray(np.clip(steps, *limits).astype(np.int64), np.int64)


# ---- requantization: an accumulator times a real ratio, rounded


def high_multiply(a: Any, q: int) -> Int64s:
    """``(a * q + 2**30) >> 31``: gemmlowp's SaturatingRoundingDoublingHighMul for q >= 0."""
    return (np.asarray(a, np.int64) * np.int64(q) + (1 << 30)) >> 31


def divide_by_power(x: Any, exponent: int) -> Int64s:
    """x / 2**exponent to nearest, ties away from zero: gemmlowp's RoundingDivideByPOT."""
    x = np.asarray(x, np.int64)
    if exponent == 0:
        return np.asarray(x, np.int64)
    half = 1 << (exponent - 1)
    return np.asarray(
        np.where(x >= 0, (x + half) >> exponent, -((-x + half) >> exponent)), np.int64
    )


def requantize(x: Any, q: int, shift: int) -> Int64s:
    """Two roundings, the default of TFLM and LiteRT: MultiplyByQuantizedMultiplier."""
    shifted = wrap32(np.asarray(x, np.int64) << max(shift, 0))
    return divide_by_power(high_multiply(shifted, q), max(-shift, 0))


def requantize_ties_up(x: Any, q: int, shift: int) -> Int64s:
    """As `requantize`, but the second rounding takes ties up: ruy's kernels on x86."""
    if shift >= 0:
        return requantize(x, q, shift)
    return (high_multiply(x, q) + (1 << (-shift - 1))) >> -shift


def requantize_single(x: Any, q: int, shift: int) -> Int64s:
    """One rounding, ties up: builds with TFLITE_SINGLE_ROUNDING."""
    return (np.asarray(x, np.int64) * q + (1 << (30 - shift))) >> (31 - shift)


def requantize64(x: Any, q: int, shift: int) -> Int64s:
    """For int64 accumulators (16-bit activations): the multiplier cut to 16 bits, one rounding."""
    return (np.asarray(x, np.int64) * multiplier16(q) + (1 << (14 - shift))) >> (15 - shift)


def multiplier16(q: int) -> int:
    """The upper 16 bits of a multiplier, rounded: what `requantize64` takes of it."""
    return 0x7FFF if q >= 0x7FFF0000 else (q + (1 << 15)) >> 16


def requantize_float(x: Any, ratio: float) -> Int64s:
    """One rounding of a float32 product, ties to even: XNNPACK, LiteRT's default delegate."""
    product = np.asarray(x, np.int64).astype(np.float32) * np.float32(ratio)
    return np.asarray(np.rint(product).astype(np.int64), np.int64)


def shift16(x: Any, exponent: int) -> Int64s:
    """A rounding shift to 16 bits: into LiteRT's cell, where every scale is a power of two."""
    return wrap16(divide_by_power(x, exponent))


# ---- sigmoid and tanh on int16, result Q0.15, by table (TFLM, CMSIS-NN)


def _sigmoid_table() -> Int64s:
    """257 entries, sigmoid(k / 24) in 2**-16 with half of the interpolation's error taken off."""
    v = 1 / (1 + np.exp(-np.arange(256) / 24.0))
    table = np.floor(65536 * (v - v * (1 - v) * (1 - 2 * v) / 24**2 / 16) + 0.5).astype(np.int64)
    table[255] = 65535
    return table


SIGMOID_TABLE = _sigmoid_table()


def _table_argument(x: Any, scale_log2: int) -> Int64s:
    """int16 of scale 2**scale_log2 as 3 x in units of 2**-12, ties up."""
    x3 = np.asarray(x, np.int64) * 3
    shift = scale_log2 + 12
    return x3 << shift if shift >= 0 else (x3 + (1 << (-shift - 1))) >> -shift


def table_sigmoid(x: Any, scale_log2: int = -12) -> Int64s:
    """Sigmoid of int16 values.

    >>> table_sigmoid([-1, 0, 100, 32767, -32768]).tolist()
    [16382, 16384, 16584, 32757, 11]
    """
    d = _table_argument(x, scale_log2)
    a = np.abs(d)
    u = np.minimum(a >> 9, 254)
    low, high = SIGMOID_TABLE[u], SIGMOID_TABLE[u + 1]
    r = np.where(a >> 9 >= 255, 0x7FFF << 10, (low << 9) + (a & 511) * (high - low))
    return np.where(d >= 0, (r + 512) >> 10, ((1 << 25) - r + 511) >> 10)


def table_tanh(x: Any, scale_log2: int = -12) -> Int64s:
    """Hyperbolic tangent of int16 values, from the same table: tanh(x) = 2 sigmoid(2 x) - 1.

    >>> table_tanh([-1, 0, 100, 32767, -32768]).tolist()
    [-8, 0, 800, 32767, -32767]
    """
    d = _table_argument(x, scale_log2)
    a = np.abs(d)
    u = np.minimum(a >> 8, 254)
    low, high = SIGMOID_TABLE[u], SIGMOID_TABLE[u + 1]
    r = np.where(a >> 8 >= 255, 0xFFFF << 8, (low << 8) + (a & 255) * (high - low))
    return np.where(d >= 0, (r - (1 << 23) + 128) >> 8, (-r + (1 << 23) + 127) >> 8)


# ---- sigmoid and tanh on int16 in fixed point (LiteRT's fused LSTM): gemmlowp's fixedpoint.h


def _multiply16(a: Any, b: Any) -> Int64s:
    return np.asarray(np.minimum((np.asarray(a, np.int64) * b + (1 << 14)) >> 15, 32767), np.int64)


def _shift_left16(x: Int64s, exponent: int) -> Int64s:
    limit = (1 << (15 - exponent)) - 1
    return np.where(x > limit, 32767, np.where(x < -limit, -32768, x << exponent))


def _exp_quarter(v: Int64s) -> Int64s:
    """Exp on [-1/4, 0), Q0.15: a polynomial of degree 4 around -1/8."""
    y = wrap16(v + 4096)
    y2 = _multiply16(y, y)
    y3, y4 = _multiply16(y2, y), _multiply16(y2, y2)
    third = _multiply16(wrap16(divide_by_power(y4, 2) + y3), 10923)  # 1/3
    tail = divide_by_power(wrap16(third + y2), 1)
    return saturate16(28918 + _multiply16(wrap16(y + tail), 28918))  # exp(-1/8)


# exp(-2**exponent) in Q0.15
_EXP_FACTORS = ((-2, 25520), (-1, 19875), (0, 12055), (1, 4435), (2, 600), (3, 11), (4, 0))


def _exp_negative(a: Int64s, integer_bits: int) -> Int64s:
    """Exp of a <= 0 in Q(integer_bits), result Q0.15."""
    fraction_bits = 15 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    rest_of_quarter = (a & (quarter - 1)) - quarter
    r = _exp_quarter(_shift_left16(rest_of_quarter, integer_bits))
    left = wrap16(rest_of_quarter - a)
    for exponent, factor in _EXP_FACTORS:
        if integer_bits > exponent:
            bit = left & (1 << (fraction_bits + exponent))
            r = np.where(bit, _multiply16(r, factor), r)
    if integer_bits > 5:
        r = np.where(a < -(1 << (20 - integer_bits)), 0, r)
    return np.where(a == 0, 32767, r)


def _one_over_one_plus(r: Int64s) -> Int64s:
    """1 / (1 + r) for r in [0, 1], Q0.15 in, Q2.13 out: three Newton steps."""
    half = (r + 32768) >> 1
    y = wrap16(23130 + _multiply16(half, -15420))  # 48/17, -32/17
    for _ in range(3):
        error = wrap16(8192 - _multiply16(half, y))
        y = wrap16(y + _shift_left16(_multiply16(y, error), 2))
    return y


def fixed_sigmoid(x: Any, scale_log2: int = -12) -> Int64s:
    """Sigmoid of int16 values as LiteRT's LSTM computes it.

    >>> fixed_sigmoid([-1, 1, 100, 4096]).tolist()
    [16383, 16384, 16584, 23952]
    """
    a = np.asarray(x, np.int64)
    e = _exp_negative(wrap16(-np.abs(a)), 15 + scale_log2)
    s = _shift_left16(_one_over_one_plus(e), 1)
    return np.where(a == 0, 16384, np.where(a > 0, s, wrap16(32767 - s)))


def fixed_tanh(x: Any, scale_log2: int = -12) -> Int64s:
    """Hyperbolic tangent of int16 values as LiteRT's LSTM computes it.

    >>> fixed_tanh([1, 100, 4096]).tolist()
    [8, 792, 24964]
    """
    a = np.asarray(x, np.int64)
    e = _exp_negative(wrap16(-np.abs(a)), 16 + scale_log2)
    t = _shift_left16(wrap16(_one_over_one_plus(e) - 8192), 2)
    return np.where(a == 0, 0, np.where(a < 0, wrap16(-t), t))


# ---- whole tables


@functools.cache
def whole_table(function: Any, scale_log2: int) -> Int64s:
    """One of the four functions above for every int16 x, at index x + 32768."""
    return function(INT16, scale_log2)  # type: ignore[no-any-return]
