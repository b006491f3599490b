"""Arithmetic of the int8 format in int16 lanes, bit for bit that of TensorFlow Lite Micro's LSTM.

What each rounding means stands in edgelstm/quantization/fixedpoint.py; tests hold both equal. `P`
holds the numbers of a layer in the slots below.
"""

import numba

from edgelstm.kernels.layer import OWN
from edgelstm.kernels.simd.options import INLINED
from edgelstm.kernels.simd.vectors import abs_i32, splat_i32, splat_words
from edgelstm.kernels.simd.words import (
    abs_words,
    add_saturating,
    average_unsigned,
    entry_192,
    entry_256,
    first_half,
    interleave_first,
    interleave_second,
    max_words,
    min_unsigned,
    min_words,
    multiply_high_i32,
    multiply_high_unsigned,
    multiply_pairs,
    multiply_rounded,
    pack_saturating,
    pack_unsigned,
    product_first,
    product_second,
    shift_unsigned,
)

N_GATES = 4  # the cells that have an int8 form are LSTMs
(
    TABLES,  # address, see packing.activation_tables
    HIDDEN_ZERO,  # zero point of h
    CELL_LOW,  # limits of the cell state
    CELL_HIGH,
    TANH_FACTORS,  # 3 << left in the low half, the rounding in the high half
    TANH_RIGHT,
    SHARE_SHIFT,  # a product of two activations is this many bits finer than the cell
) = range(OWN, OWN + 7)
# Per gate, and once for the output: left shift, multiplier, right shift, half of 2^right.
IH = OWN + 7
HH = IH + 4 * N_GATES
OUT = HH + 4 * N_GATES
N_SLOTS = OUT + 4
KEEP_SHIFT = 15  # of forget gate times cell

jit = numba.njit(**INLINED)


# ---- rescaling


@jit
def requantize(v, P, slot):
    """An int32 vector, rounded twice by the four numbers at `slot`.

    |v| 2^left + half < 2^31 was checked at load. The sign is taken from v, off the critical path:
    where v and the product differ in sign both ways give 0.
    """
    return requantize_by(v, (P[slot], P[slot + 1], P[slot + 2], P[slot + 3]))


@jit
def requantize_by(v, numbers):
    """The same by four numbers that were read once; behind a store they would be read anew."""
    left, multiplier, right, half = numbers
    return divide(multiply_high_i32(v << left, multiplier), v, right, half)


@jit
def divide(p, signed, right, half):
    """An int32 vector divided by 2^right, of which half is `half`; `signed` has its sign.

    Rounding to nearest, ties away from zero, is a right shift of p + half - (p < 0).
    """
    negative = (signed >> 31) & -min(half, 1)
    return (p + (negative + half)) >> right


@jit
def divide_product(p, shift):
    """p / 2^shift of an int32 vector, ties away from zero, for |p| <= 2^30."""
    return (p + ((p >> 31) | 1) + (1 << (shift - 1))) >> shift


@jit
def narrow_four(P, sums, slot):
    """Sums of a group, 2 * N_GATES int32 vectors, rescaled to N_GATES of int16, gate by gate."""
    return (
        pack_saturating(requantize(sums[0], P, slot), requantize(sums[4], P, slot)),
        pack_saturating(requantize(sums[1], P, slot + 4), requantize(sums[5], P, slot + 4)),
        pack_saturating(requantize(sums[2], P, slot + 8), requantize(sums[6], P, slot + 8)),
        pack_saturating(requantize(sums[3], P, slot + 12), requantize(sums[7], P, slot + 12)),
    )


@jit
def narrow_four_halves(P, sums, slot):
    """The same of N_GATES int32 vectors; 0 in the second half of the lanes."""
    return (
        first_half(requantize(sums[0], P, slot)),
        first_half(requantize(sums[1], P, slot + 4)),
        first_half(requantize(sums[2], P, slot + 8)),
        first_half(requantize(sums[3], P, slot + 12)),
    )


# ---- operations


@jit
def with_sign(v, sign):
    """-v where sign is -1, v where it is 0; both int16 vectors."""
    return (v ^ sign) - sign


@jit
def sigmoid(P, z):
    """Q3.12 -> Q0.15, int16 vectors.

    Value + slope * fraction, rounded: one high product and one average.
    """
    a = min_unsigned(abs_words(z), splat_words(32767))
    u = multiply_high_unsigned(a, splat_words(384))  # 3 a >> 9; the low half is (3 a & 511) << 7
    value, slope = entry_192(P[TABLES], u)
    rise = multiply_high_unsigned(a * 384, slope)
    return with_sign(average_unsigned(value, rise), z >> 15) + 16384


@jit
def tanh_of_distance(tables, d):
    """tanh in Q0.15 of distances from 0, in units of 1 / (12 * 2^9).

    tables: address of `packing.activation_tables`; d: vector of uint16.
    """
    u = shift_unsigned(d, splat_words(8))
    fraction = shift_unsigned(d << 8, splat_words(1))
    value, slope = entry_256(tables, u)
    return value + multiply_rounded(fraction, slope)


@jit
def tanh(P, z):
    """Q3.12 -> Q0.15, int16 vectors. 21845 keeps 3 a in 16 bits and is already saturated."""
    a = min_unsigned(abs_words(z), splat_words(21845))
    return with_sign(tanh_of_distance(P[TABLES], a + a + a), z >> 15)


@jit
def tanh_of_cell(P, c):
    """Q0.15 of the cell, int16 vectors.

    The distance (3 c << left) + round >> right is (c, 1) . (3 << left, round) per lane.
    """
    one, factors = splat_words(1), splat_i32(P[TANH_FACTORS])
    d = multiply_pairs(interleave_first(c, one), factors) >> P[TANH_RIGHT]
    e = multiply_pairs(interleave_second(c, one), factors) >> P[TANH_RIGHT]
    distance = pack_unsigned(abs_i32(d), abs_i32(e))
    return with_sign(tanh_of_distance(P[TABLES], distance), c >> 15)


@jit
def product(a, b):
    """int16 x int16 -> int32, of the first and of the second half of the lanes."""
    return product_first(a, b), product_second(a, b)


@jit
def kept_share(P, a, b):
    """Gate times cell, int16 vectors: two int32 vectors in the cell's scale."""
    p = product(a, b)
    return divide_product(p[0], KEEP_SHIFT), divide_product(p[1], KEEP_SHIFT)


@jit
def new_share(P, a, b):
    """Gate times candidate, int16 vectors: two int32 vectors in the cell's scale."""
    p, shift = product(a, b), P[SHARE_SHIFT]
    return divide_product(p[0], shift), divide_product(p[1], shift)


@jit
def cell_sum(P, a, b):
    """The cell, an int16 vector, of two shares; neither saturates on its own."""
    c = max_words(pack_saturating(a[0] + b[0], a[1] + b[1]), splat_words(P[CELL_LOW]))
    return min_words(c, splat_words(P[CELL_HIGH]))


@jit
def output(P, a, b):
    """Gate times tanh of the cell, int16 vectors, in the scale of h."""
    p = product(a, b)
    h = pack_saturating(requantize(p[0], P, OUT), requantize(p[1], P, OUT))
    h = add_saturating(h, splat_words(P[HIDDEN_ZERO]))
    return min_words(max_words(h, splat_words(-128)), splat_words(127))


@jit
def gate_sum(P, a, b):
    """Two terms, int16 vectors, each saturated before."""
    return add_saturating(a, b)


# By kind of operation, and roles of result and arguments.
OPERATIONS = {
    ("add", "sum", "sum", "sum"): gate_sum,
    ("add", "cell", "cell", "cell"): cell_sum,
    ("mul", "cell", "activation", "cell"): kept_share,
    ("mul", "cell", "activation", "activation"): new_share,
    ("mul", "output", "activation", "activation"): output,
    ("sigmoid", "activation", "sum"): sigmoid,
    ("tanh", "activation", "sum"): tanh,
    ("tanh", "activation", "cell"): tanh_of_cell,
}
