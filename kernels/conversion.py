"""Real values to int8 and back, in one pass each.

The bits are those of float64, in which `fixedpoint.quantize_reals` and `Scale.reals` define both
ways. float32 gives the same but near the middle between two integers: there float64 decides.
"""

import numba as nb
import numpy as np

from edgelstm.kernels.simd.conversions import i8_to_f32, integers_of, reals_of, within
from edgelstm.kernels.simd.memory import (
    load_f32,
    load_first_f32,
    load_first_i8,
    load_i8,
    store_f32,
    store_first_f32,
    store_first_i8,
    store_i8,
)
from edgelstm.kernels.simd.options import INLINED
from edgelstm.kernels.simd.target import LANES
from edgelstm.kernels.simd.vectors import (
    INFINITE,
    MAGNITUDE,
    above,
    below,
    bits_as_f32,
    bits_as_i32,
    f32_to_i32,
    i32_to_i8,
    round_f32,
    splat_f32,
    total_i32,
)

SMALLEST_NORMAL = np.finfo(np.float32).tiny
jit = nb.njit(**INLINED)


@jit
def rounded(v, scale, inverse, zero):
    """An int8 vector of a float32 one, and how many of its values are not finite: they count as 0.

    inverse: from `normal_inverse`. The product with it is off by less than 2^-14 wherever the
    result is not saturated, so it decides unless a lane lies that near to the middle between two
    integers, or is not finite.
    """
    steps = v * inverse
    whole = round_f32(steps)
    if within(steps - whole, 0.5 - 2.0**-14):
        low, high = splat_f32(-128.0), splat_f32(127.0)
        made = below(high, above(low, whole + np.float32(zero)))
        return i32_to_i8(f32_to_i32(made)), 0
    finite = ((bits_as_i32(v) & MAGNITUDE) - INFINITE) >> 31  # -1, or 0 where it is not
    made = integers_of(bits_as_f32(bits_as_i32(v) & finite), scale, zero)
    return made, LANES + total_i32(finite)


@jit
def normalized(v, mean, std):
    """Of one value, all float32."""
    return (v - mean) / std


@jit
def normal_inverse(scale):
    """float32(1 / scale), or NaN where that is not a normal number: then it decides nothing."""
    inverse = np.float32(1.0 / scale)
    return inverse if SMALLEST_NORMAL <= inverse < np.inf else np.float32(np.nan)


@jit
def quantize_at(x, y, n, scale, zero):
    """clip(round_half_even(x / scale) + zero); returns how many values are not finite.

    x: address of float32 (n,); y: of int8 (n,); scale: float64. Nothing is checked.
    """
    inverse, bad, k = normal_inverse(scale), 0, 0
    while k + LANES <= n:
        made, found = rounded(load_f32(x, k), scale, inverse, zero)
        store_i8(y, k, made)
        bad += found
        k += LANES
    if k < n:
        made, found = rounded(load_first_f32(x, k, n - k), scale, inverse, zero)
        store_first_i8(y, k, made, n - k)
        bad += found
    return bad


@jit
def real(v, scale, single, zero):
    """A float32 vector of an int8 one.

    single: whether the scale is a float32's value; then one product rounds as float64 does, which
    holds it whole.
    """
    if single:
        return (i8_to_f32(v) - np.float32(zero)) * np.float32(scale)
    return reals_of(v, scale, zero)


@jit
def dequantize_at(x, y, n, scale, zero):
    """scale * (x - zero).

    x: address of int8 (n,); y: of float32 (n,); scale: float64. Nothing is checked.
    """
    single, k = np.float64(np.float32(scale)) == scale, 0
    while k + LANES <= n:
        store_f32(y, k, real(load_i8(x, k), scale, single, zero))
        k += LANES
    if k < n:
        store_first_f32(y, k, real(load_first_i8(x, k, n - k), scale, single, zero), n - k)
