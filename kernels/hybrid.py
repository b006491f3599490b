"""The hybrid format: int8 weights, x and h rounded to int8 in each step, the rest float32."""

from typing import Any

import numpy as np

from edgelstm.kernels import float32
from edgelstm.kernels.float32 import advance, jit, narrow_tile
from edgelstm.kernels.layer import (
    AHEAD_BYTES,
    BIAS_HH,
    BIAS_IH,
    CHUNK,
    GROUPS,
    H_WORDS,
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
    load_f32,
    load_first_f32,
    load_rows_f32,
    load_rows_i32,
    load_scalar,
    scalar_of_bits,
    store_i8,
    store_rows,
    store_scalar,
)
from edgelstm.kernels.simd.products import product_i8
from edgelstm.kernels.simd.target import LANES, OFFSET
from edgelstm.kernels.simd.tuples import join, scaled, splat_many
from edgelstm.kernels.simd.vectors import (
    bits_as_i32,
    f32_to_i32,
    i32_to_i8,
    largest_i32,
    max_i32,
    round_f32,
    splat_i32,
)

INPUT_BYTES = Y_BYTES = 4
(
    WEIGHT_SCALES,  # address of float32 (2 * gates,): of weight_ih, then of weight_hh
    X_SCALES,  # address of float32: step sizes of the rounded rows of x
    ROUNDED,  # address of the rounded h
    OFFSETS_IH,  # packed int32: what the products of the stored inputs have too much
    OFFSETS_HH,
    H_SCALES,  # address of float32 (ROWS,): step sizes of the rounded h
) = range(OWN, OWN + 6)
N_SLOTS = OWN + 6
MAGNITUDE = 0x7FFFFFFF  # without the sign; not finite from INFINITE on
INFINITE = 0x7F800000

# Bound by bind.py, beside those of float32.py.
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


def input_rows(P, source, n, row):
    """n rows of x, rounded."""
    for t in range(n):
        out = P[X_ROWS] + (row + t) * P[WORDS] * 4
        size = round_row(source + t * P[INPUTS] * 4, P[INPUTS], out)
        store_scalar(P[X_SCALES], row + t, size)
    return P[X_ROWS] + row * P[WORDS] * 4


def input_row(P, source):
    """Rounded too, to where y does not lie."""
    return input_rows(P, source, 1, 0)


def x_words(P, steps):
    """Rounded rows of a sequence's chunk follow each other."""
    return P[CHUNK] * P[WORDS]


def prepare(P, h, row):
    """Rounds h."""
    size = round_row(h, P[H_WORDS] * 4, P[ROUNDED] + row * P[H_WORDS] * 4)
    store_scalar(P[H_SCALES], row, size)


def given_in(P, t, row):
    """The real sizes of one step of the two products, gate by gate."""
    of_x = splat_many(P[WEIGHT_SCALES], 0, load_scalar(P[X_SCALES], t), GATES)
    return of_x, splat_many(P[WEIGHT_SCALES], GATES, load_scalar(P[H_SCALES], row), GATES)


def tile_at(P, rows, apart, out, out_apart, g):
    """Input products of ROWS rows, for one group."""
    k, at = P[WORDS], g * VECTORS * LANES
    start = load_rows_i32(P[OFFSETS_IH], at, 0, VECTORS, ROWS)
    made = product_i8(start, P[W_IH] + 4 * at * k, rows, apart, k, ROWS, 0)
    stride = P[GROUPS] * VECTORS * LANES
    store_rows(P[SCRATCH], out * stride + at, made, out_apart * stride, ROWS)


def load_terms(P, row, g):
    """Stored input products of one group."""
    return load_rows_i32(P[SCRATCH], (row * P[GROUPS] + g) * VECTORS * LANES, 0, VECTORS, 1)


def input_terms(P, row, g):
    """The same, formed now."""
    at = g * VECTORS * LANES
    start = load_rows_i32(P[OFFSETS_IH], at, 0, VECTORS, 1)
    return product_i8(start, P[W_IH] + 4 * at * P[WORDS], row, 0, P[WORDS], 1, 0)


def recurrent(P, terms, g, h):
    """Products of the rounded h."""
    at = g * VECTORS * LANES
    w, start = P[W_HH] + 4 * at * P[H_WORDS], load_rows_i32(P[OFFSETS_HH], at, 0, VECTORS, 1)
    if P[PREFETCH]:
        return product_i8(start, w, P[ROUNDED], 0, P[H_WORDS], 1, AHEAD_BYTES)
    return product_i8(start, w, P[ROUNDED], 0, P[H_WORDS], 1, 0)


def recurrent_rows(P, t, g, h):
    """The same of ROWS sequences."""
    at = g * VECTORS * LANES
    w, start = P[W_HH] + 4 * at * P[H_WORDS], load_rows_i32(P[OFFSETS_HH], at, 0, VECTORS, ROWS)
    made = product_i8(start, w, P[ROUNDED], P[H_WORDS], P[H_WORDS], ROWS, 0)
    store_rows(P[TILE], 0, made, VECTORS * LANES, ROWS)


def made_rows(P, row):
    """Those of one sequence."""
    return load_rows_i32(P[TILE], row * VECTORS * LANES, 0, VECTORS, 1)


def finish(P, terms, made, g, given):
    """Real gate sums from the two integer products."""
    at = g * VECTORS * LANES
    of_x = scaled(terms, given[0], load_rows_f32(P[BIAS_IH], at, 0, VECTORS, 1))
    return of_x, scaled(made, given[1], join(of_x, P[BIAS_HH], at, JOINED))


compute, bind = float32.compute, float32.bind

# Each may use those before it.
TEMPLATES = (
    *(input_rows, input_row, x_words, prepare, given_in, narrow_tile, load_terms, input_terms),
    *(recurrent, made_rows, finish, advance),
)
