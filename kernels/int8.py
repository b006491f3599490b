"""The int8 format: the arithmetic of TensorFlow Lite Micro's LSTM, bit for bit, in int16 lanes.

What each rounding means stands in edgelstm/fixedpoint.py; tests hold both equal. A gate is the
saturating sum of two rescaled products (Q3.12), activations are read from tables (Q0.15), and the
cell is int16 with a scale 2^p.
"""

from typing import Any

import numba
import numpy as np
from numba.core.errors import TypingError

from edgelstm.kernels.compilation import INLINED
from edgelstm.kernels.fused import Listing, payload
from edgelstm.kernels.layer import (
    AHEAD_BYTES,
    BIAS_HH,
    BIAS_IH,
    CELL,
    GROUPS,
    H_WORDS,
    HIDDEN,
    INPUTS,
    OWN,
    PREFETCH,
    SCRATCH,
    TILE,
    W_HH,
    W_IH,
    WORDS,
    X_ROWS,
)
from edgelstm.kernels.simd.memory import (
    address,
    bytes_at,
    load_many_i32,
    load_many_words,
    load_words,
    store_first_octets,
    store_octets,
    store_rows,
    store_words,
)
from edgelstm.kernels.simd.products import gemm_i8, gemv_i8
from edgelstm.kernels.simd.target import LANES, OFFSET, PAIR
from edgelstm.kernels.simd.vectors import abs_i32, splat_i32, splat_words
from edgelstm.kernels.simd.words import (
    abs_words,
    add_saturating,
    average_unsigned,
    flip_octets,
    interleave_first,
    interleave_second,
    max_words,
    min_unsigned,
    min_words,
    multiply_high,
    multiply_high_i32,
    multiply_high_unsigned,
    multiply_pairs,
    multiply_rounded,
    pack_saturating,
    pack_unsigned,
    shift_unsigned,
    slope_192,
    slope_256,
    value_192,
    value_256,
    words_to_octets,
)

Y_BYTES = 1
N_GATES = 4  # the cells that have an int8 form are LSTMs
jit = numba.njit(**INLINED)
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

# Bound by build.py.
VECTORS: Any = None
ROWS: Any = None
step: Any = None
w_products: Any = None
u_products: Any = None
x_value: Any = None
h_value: Any = None
c_value: Any = None


# ---- rescaling


@jit
def requantize(v, P, slot):
    """Two roundings, by the four numbers at `slot`. |v| 2^left + half < 2^31 was checked at load.

    Rounding to nearest, ties away from zero, is a right shift of v + half - (v < 0). The sign is
    taken from v, off the critical path: where v and the product differ in sign both ways give 0.
    """
    half = P[slot + 3]
    negative = (v >> 31) & -min(half, 1)
    return (multiply_high_i32(v << P[slot], P[slot + 1]) + (negative + half)) >> P[slot + 2]


@jit
def divide_product(p, shift):
    """p / 2^shift, ties away from zero, for |p| <= 2^30."""
    return (p + ((p >> 31) | 1) + (1 << (shift - 1))) >> shift


@jit
def narrow(P, sums, slot):
    """Rescaled sums of a group as int16, gate by gate."""
    return (
        pack_saturating(requantize(sums[0], P, slot), requantize(sums[4], P, slot)),
        pack_saturating(requantize(sums[1], P, slot + 4), requantize(sums[5], P, slot + 4)),
        pack_saturating(requantize(sums[2], P, slot + 8), requantize(sums[6], P, slot + 8)),
        pack_saturating(requantize(sums[3], P, slot + 12), requantize(sums[7], P, slot + 12)),
    )


# ---- products


def input_rows(P, x, start, n):
    """n rows of x as the product reads them."""
    first, source = address(x), start * P[INPUTS]
    for t in range(n):
        copy_row(first + source + t * P[INPUTS], P[INPUTS], P[X_ROWS] + t * P[WORDS] * 4)
    return P[X_ROWS]


@jit
def copy_row(source, count, out):
    """int8 values, stored as the product wants them."""
    x = numba.carray(bytes_at(source), count)
    rows = numba.carray(bytes_at(out), count)
    for k in range(count):
        rows[k] = x[k] ^ np.uint8(OFFSET)


def begin_step(P, t, h):
    """Nothing is needed."""
    return 0


def tile_at(P, rows, t, g):
    """Input products of ROWS steps, for one group, to TILE."""
    k, at = P[WORDS], g * VECTORS * LANES
    start = load_many_i32(P[BIAS_IH], at, VECTORS)
    made = gemm_i8(start, P[W_IH] + 4 * at * k, rows + t * k * 4, k, k, ROWS)
    store_rows(P[TILE], t * VECTORS * LANES, made, VECTORS * LANES, ROWS)


def narrow_tile(P, n, g):
    """Rescales them here, off the chain from one step to the next."""
    for t in range(n):
        made = narrow(P, load_many_i32(P[TILE], t * VECTORS * LANES, VECTORS), IH)
        store_rows(P[SCRATCH], (t * P[GROUPS] + g) * N_GATES * PAIR, made, 0, 1)


def load_terms(P, t, g):
    """Stored input terms of one group."""
    return load_many_words(P[SCRATCH], (t * P[GROUPS] + g) * N_GATES * PAIR, N_GATES)


def input_terms(P, row, g):
    """The same, formed now."""
    at = g * VECTORS * LANES
    start = load_many_i32(P[BIAS_IH], at, VECTORS)
    return narrow(P, gemv_i8(start, P[W_IH] + 4 * at * P[WORDS], row, P[WORDS], 0), IH)


def sums(P, terms, g, h, given):
    """Adds the recurrent terms."""
    at = g * VECTORS * LANES
    w, start = P[W_HH] + 4 * at * P[H_WORDS], load_many_i32(P[BIAS_HH], at, VECTORS)
    if P[PREFETCH]:
        products = gemv_i8(start, w, h, P[H_WORDS], AHEAD_BYTES)
    else:
        products = gemv_i8(start, w, h, P[H_WORDS], 0)
    return terms, narrow(P, products, HH)


# ---- the cell


def advance(P, both, unit, h, h_next, y_row):
    """A whole group."""
    c = c_value(load_words(P[CELL], unit), P)
    new = step(w_products(both[0], 0), u_products(both[1], 0), x_value(0, P), h_value(0, P), c)
    store_words(P[CELL], unit, payload(new[1]))
    made = words_to_octets(payload(new[0]))
    store_octets(h_next, unit, flip_octets(made) if OFFSET else made)
    if unit + PAIR <= P[HIDDEN]:
        store_octets(y_row, unit, made)
    else:
        store_first_octets(y_row, unit, made, P[HIDDEN] - unit)


@jit
def with_sign(v, sign):
    """-v where sign is -1, v where it is 0."""
    return (v ^ sign) - sign


@jit
def sigmoid(P, z):
    """Q3.12 -> Q0.15. Value + slope * fraction, rounded: one high product and one average."""
    a = min_unsigned(abs_words(z), splat_words(32767))
    u = multiply_high_unsigned(a, splat_words(384))  # 3 a >> 9; the low half is (3 a & 511) << 7
    rise = multiply_high_unsigned(a * 384, slope_192(P[TABLES], u))
    return with_sign(average_unsigned(value_192(P[TABLES], u), rise), z >> 15) + 16384


@jit
def tanh_of_distance(tables, d):
    """d: uint16, distance from 0 in units of 1 / (12 * 2^9)."""
    u = shift_unsigned(d, splat_words(8))
    fraction = shift_unsigned(d << 8, splat_words(1))
    return value_256(tables, u) + multiply_rounded(fraction, slope_256(tables, u))


@jit
def tanh(P, z):
    """Q3.12 -> Q0.15. 21845 keeps 3 a in 16 bits and is already saturated."""
    a = min_unsigned(abs_words(z), splat_words(21845))
    return with_sign(tanh_of_distance(P[TABLES], a + a + a), z >> 15)


@jit
def tanh_of_cell(P, c):
    """The distance (3 c << left) + round >> right is (c, 1) . (3 << left, round) per lane."""
    one, factors = splat_words(1), splat_i32(P[TANH_FACTORS])
    d = multiply_pairs(interleave_first(c, one), factors) >> P[TANH_RIGHT]
    e = multiply_pairs(interleave_second(c, one), factors) >> P[TANH_RIGHT]
    distance = pack_unsigned(abs_i32(d), abs_i32(e))
    return with_sign(tanh_of_distance(P[TABLES], distance), c >> 15)


@jit
def product(a, b):
    """int16 x int16 -> int32, of the first and of the second half of the lanes."""
    low, high = a * b, multiply_high(a, b)
    return interleave_first(low, high), interleave_second(low, high)


@jit
def kept_share(P, a, b):
    """Gate times cell, in the cell's scale."""
    p = product(a, b)
    return divide_product(p[0], KEEP_SHIFT), divide_product(p[1], KEEP_SHIFT)


@jit
def new_share(P, a, b):
    """Gate times candidate, in the cell's scale."""
    p, shift = product(a, b), P[SHARE_SHIFT]
    return divide_product(p[0], shift), divide_product(p[1], shift)


@jit
def cell_sum(P, a, b):
    """Two shares; neither saturates on its own."""
    c = max_words(pack_saturating(a[0] + b[0], a[1] + b[1]), splat_words(P[CELL_LOW]))
    return min_words(c, splat_words(P[CELL_HIGH]))


@jit
def output(P, a, b):
    """Gate times tanh of the cell, in the scale of h."""
    p = product(a, b)
    h = pack_saturating(requantize(p[0], P, OUT), requantize(p[1], P, OUT))
    h = add_saturating(h, splat_words(P[HIDDEN_ZERO]))
    return min_words(max_words(h, splat_words(-128)), splat_words(127))


@jit
def gate_sum(P, a, b):
    """Two terms, each saturated before."""
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


def compute(listing: Listing, op: Any) -> Any:
    """See `Listing.compute`."""
    key = (op.kind, listing.role(op.result), *(listing.role(a) for a in op.args))
    if key not in OPERATIONS:
        raise TypingError(f"{listing.name}: {' '.join(key)} has no int8 form")
    return OPERATIONS[key]


def bind(listing: Listing) -> dict[str, Any]:
    """What the templates need to know of a cell."""
    assert len(listing.gates) == N_GATES
    return {}


TEMPLATES = (
    input_rows,
    begin_step,
    tile_at,
    narrow_tile,
    load_terms,
    input_terms,
    sums,
    advance,
)
