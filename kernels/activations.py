"""exp, sigmoid and tanh of float32 vectors of LANES values. What is not a number stays so.

Largest errors on [-20, 20]: sigmoid 9e-8, tanh 3e-7.
"""

import numba

from edgelstm.kernels.simd.options import INLINED
from edgelstm.kernels.simd.vectors import (
    above,
    below,
    bits_as_f32,
    bits_as_i32,
    f32_to_i32,
    fmadd,
    round_f32,
    splat_f32,
)

jit = numba.njit(**INLINED)
LOG2E = 1.44269504088896341
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4  # their sum is ln 2; n * LN2_HIGH is exact


@jit
def clamp(x, limit):
    """x, a float32 vector, cut to +-limit, a float."""
    return below(splat_f32(limit), above(splat_f32(-limit), x))


@jit
def exp(x):
    """exp of a float32 vector, for |x| <= 87.

    Reduction to +-ln(2)/2, a polynomial, and n added to the exponent's bits.
    """
    n = round_f32(x * LOG2E)
    r = fmadd(n, splat_f32(-LN2_HIGH), x)
    r = fmadd(n, splat_f32(-LN2_LOW), r)
    q = splat_f32(0.000197900663)
    q = fmadd(q, r, splat_f32(0.00139449432))
    q = fmadd(q, r, splat_f32(0.00833349861))
    q = fmadd(q, r, splat_f32(0.0416662917))
    q = fmadd(q, r, splat_f32(0.166666657))
    q = fmadd(q, r, splat_f32(0.5))
    y = fmadd(q, r * r, r) + 1.0
    # What is not a number becomes 0 or -2^31 as an integer: both are shifted out.
    return bits_as_f32(bits_as_i32(y) + (f32_to_i32(n) << 23))


@jit
def sigmoid(x):
    """1 / (1 + exp(-x)) of a float32 vector."""
    return 1.0 / (1.0 + exp(clamp(0.0 - x, 80.0)))


@jit
def tanh(x):
    """tanh of a float32 vector as x P(x^2) / Q(x^2).

    Fitted to |x| <= 8.3, where it is 1 to within a rounding.
    """
    x = clamp(x, 8.3)
    s = x * x
    p = splat_f32(-1.05454958e-13)
    p = fmadd(p, s, splat_f32(6.0232451e-11))
    p = fmadd(p, s, splat_f32(-2.16841904e-08))
    p = fmadd(p, s, splat_f32(1.14993554e-05))
    p = fmadd(p, s, splat_f32(0.00313624553))
    p = fmadd(p, s, splat_f32(0.131127417))
    p = fmadd(p, s, splat_f32(1.0))
    q = splat_f32(0.000259355846)
    q = fmadd(q, s, splat_f32(0.0246231984))
    q = fmadd(q, s, splat_f32(0.464460731))
    q = fmadd(q, s, splat_f32(1.0))
    return x * p / q
