"""The hybrid format: int8 weights, x and h rounded to int8 in each step, the rest float32."""

from typing import Any

import numpy as np

from edgelstm.kernels import float32
from edgelstm.kernels.float32 import advance, jit
from edgelstm.kernels.fused import Listing
from edgelstm.kernels.layer import (
    AHEAD_BYTES,
    BIAS_HH,
    BIAS_IH,
    GROUPS,
    H_WORDS,
    INPUTS,
    OWN,
    PREFETCH,
    SCRATCH,
    W_HH,
    W_IH,
    WORDS,
    X_ROWS,
)
from edgelstm.kernels.simd.memory import (
    address,
    join,
    load_f32,
    load_first_f32,
    load_many_f32,
    load_many_i32,
    load_scalar,
    scalar_of_bits,
    scaled,
    splat_many,
    store_i8,
    store_rows,
    store_scalar,
)
from edgelstm.kernels.simd.products import gemm_i8, gemv_i8
from edgelstm.kernels.simd.target import LANES, OFFSET
from edgelstm.kernels.simd.vectors import (
    bits_as_i32,
    f32_to_i32,
    i32_to_i8,
    largest_i32,
    max_i32,
    round_f32,
    splat_i32,
)

Y_BYTES = 4
(
    WEIGHT_SCALES,  # address of float32 (2 * gates,): of weight_ih, then of weight_hh
    X_SCALES,  # address of float32 (CHUNK,): step sizes of the rounded x
    ROUNDED,  # address of the rounded h
    OFFSETS_IH,  # packed int32: what the products of the stored inputs have too much
    OFFSETS_HH,
) = range(OWN, OWN + 5)
N_SLOTS = OWN + 5
MAGNITUDE = 0x7FFFFFFF  # without the sign; not finite from INFINITE on
INFINITE = 0x7F800000

# Bound by build.py, beside those of float32.py.
GATES: Any = None
VECTORS: Any = None
JOINED: Any = None
ROWS: Any = None


@jit
def largest_bits(v, count):
    """Bits of the largest magnitude of float32 values at v; as integers they are ordered."""
    most, k = splat_i32(0), 0
    while k + LANES <= count:
        most = max_i32(most, bits_as_i32(load_f32(v, k)) & MAGNITUDE)
        k += LANES
    if k < count:
        most = max_i32(most, bits_as_i32(load_first_f32(v, k, count - k)) & MAGNITUDE)
    return largest_i32(most)


@jit
def store_rounded(v, inverse, out, k):
    """One vector in steps, as the product reads it."""
    store_i8(out, k, i32_to_i8(f32_to_i32(round_f32(v * inverse)) + OFFSET))


@jit
def round_row(v, count, out):
    """int8 steps of the largest magnitude / 127, to address out; returns the size of a step.

    NaN where a value is not finite: it goes on from there. Writes whole vectors.
    """
    bits = largest_bits(v, count)
    finite = bits < INFINITE
    largest = scalar_of_bits(np.int32(bits))
    inverse = np.float32(127) / largest if finite and bits > 0 else np.float32(0)
    k = 0
    while k + LANES <= count:
        store_rounded(load_f32(v, k), inverse, out, k)
        k += LANES
    if k < count:
        store_rounded(load_first_f32(v, k, count - k), inverse, out, k)
    return largest / np.float32(127) if finite else np.float32(np.nan)


def input_rows(P, x, start, n):
    """n rows of x, rounded."""
    for t in range(n):
        row = address(x) + (start + t) * P[INPUTS] * 4
        size = round_row(row, P[INPUTS], P[X_ROWS] + t * P[WORDS] * 4)
        store_scalar(P[X_SCALES], t, size)
    return P[X_ROWS]


def begin_step(P, t, h):
    """Rounds h; the real sizes of one step of the two products, gate by gate."""
    of_x = splat_many(P[WEIGHT_SCALES], 0, load_scalar(P[X_SCALES], t), GATES)
    size = round_row(h, P[H_WORDS] * 4, P[ROUNDED])
    return of_x, splat_many(P[WEIGHT_SCALES], GATES, size, GATES)


def tile_at(P, rows, t, g):
    """Input products of ROWS steps, for one group."""
    k, at = P[WORDS], g * VECTORS * LANES
    start = load_many_i32(P[OFFSETS_IH], at, VECTORS)
    made = gemm_i8(start, P[W_IH] + 4 * at * k, rows + t * k * 4, k, k, ROWS)
    stride = P[GROUPS] * VECTORS * LANES
    store_rows(P[SCRATCH], t * stride + at, made, stride, ROWS)


def narrow_tile(P, n, g):
    """They are stored as they are."""


def load_terms(P, t, g):
    """Stored input products of one group."""
    return load_many_i32(P[SCRATCH], (t * P[GROUPS] + g) * VECTORS * LANES, VECTORS)


def input_terms(P, row, g):
    """The same, formed now."""
    at = g * VECTORS * LANES
    start = load_many_i32(P[OFFSETS_IH], at, VECTORS)
    return gemv_i8(start, P[W_IH] + 4 * at * P[WORDS], row, P[WORDS], 0)


def sums(P, terms, g, h, given):
    """Real gate sums from the two integer products."""
    at = g * VECTORS * LANES
    w, start = P[W_HH] + 4 * at * P[H_WORDS], load_many_i32(P[OFFSETS_HH], at, VECTORS)
    if P[PREFETCH]:
        products = gemv_i8(start, w, P[ROUNDED], P[H_WORDS], AHEAD_BYTES)
    else:
        products = gemv_i8(start, w, P[ROUNDED], P[H_WORDS], 0)
    of_x = scaled(terms, given[0], load_many_f32(P[BIAS_IH], at, VECTORS))
    of_h = scaled(products, given[1], join(of_x, P[BIAS_HH], at, JOINED))
    return of_x, of_h


compute = float32.compute


def bind(listing: Listing) -> dict[str, Any]:
    """What the templates need to know of a cell."""
    return float32.bind(listing)


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
