"""The hybrid format: int8 weights, x and h rounded to int8 in each step, the rest float32."""

import dataclasses
from typing import Any

import numpy as np

from edgelstm.kernels import float32, packing, sums
from edgelstm.kernels.cell_ops import Listing
from edgelstm.kernels.float32 import jit
from edgelstm.kernels.form import Array, Form
from edgelstm.kernels.layer import (
    BIAS_HH,
    BIAS_IH,
    H_BYTES,
    H_LACKS,
    INPUTS,
    KEPT_ROWS,
    OWN,
    SCRATCH,
    WORD_BYTES,
    WORDS,
    X_LACKS,
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
    store_scalar,
)
from edgelstm.kernels.simd.products import product_i8
from edgelstm.kernels.simd.target import LANES, OFFSET, TILE_ROWS
from edgelstm.kernels.simd.tuples import join, scaled, splat_many
from edgelstm.kernels.simd.vectors import (
    INFINITE,
    MAGNITUDE,
    bits_as_i32,
    f32_to_i32,
    i32_to_i8,
    largest_i32,
    max_i32,
    round_f32,
    splat_i32,
)
from edgelstm.kernels.sums import note_lacks

(
    WEIGHT_SCALES,  # address of float32 (2 * gates,): of weight_ih, then of weight_hh
    X_SCALES,  # address of float32 (KEPT_ROWS,): step sizes of the rounded rows of x
    ROUNDED,  # address of the rounded h with its padding, int8 (TILE_ROWS, H_BYTES / 4)
    OFFSETS_IH,  # packed int32: what the products of the stored inputs have too much
    OFFSETS_HH,
    H_SCALES,  # address of float32 (TILE_ROWS,): step sizes of the rounded h
) = range(OWN, OWN + 6)
N_SLOTS = OWN + 6

# Bound by bind.py.
GATES: Any = None
VECTORS: Any = None
JOINED: Any = None


@jit
def largest_bits(v, count):
    """Bits of the largest magnitude; as integers they are ordered.

    v: address of float32 (count,).
    """
    most, k = splat_i32(0), 0
    while k + LANES <= count:
        most = max_i32(most, bits_as_i32(load_f32(v, k)) & MAGNITUDE)
        k += LANES
    if k < count:
        most = max_i32(most, bits_as_i32(load_first_f32(v, k, count - k)) & MAGNITUDE)
    return largest_i32(most)


@jit
def store_rounded(v, inverse, out, k):
    """A float32 vector in whole steps, to int8 `out`[k:], as the product reads it.

    inverse: float32, steps per 1; out: address.
    """
    store_i8(out, k, i32_to_i8(f32_to_i32(round_f32(v * inverse)) + OFFSET))


@jit
def round_row(v, count, out):
    """int8 steps of the largest magnitude / 127; returns the size of a step, float32.

    v: address of float32 (count,); out: of int8, room for whole vectors. The size is NaN where a
    value is not finite: it goes on from there.
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


# ---- rows and sums


def read_row(P, source, row):
    """Rounds a row of x, float32 (INPUTS,) at `source`, to int8 in row `row` of X_ROWS."""
    out = P[X_ROWS] + row * P[WORDS] * WORD_BYTES
    store_scalar(P[X_SCALES], row, round_row(source, P[INPUTS], out))
    note_lacks(P, X_LACKS, row, out, P[INPUTS])


def prepare(P, h, row):
    """Rounds h with its padding, float32 (H_BYTES / 4,) at address h, to row `row` of ROUNDED."""
    count = P[H_BYTES] // WORD_BYTES
    out = P[ROUNDED] + row * count
    store_scalar(P[H_SCALES], row, round_row(h, count, out))
    note_lacks(P, H_LACKS, row, out, count)


def given_in(P, t, row):
    """What one in the sums of x and of h stands for: two tuples of GATES float32 vectors."""
    of_x = splat_many(P[WEIGHT_SCALES], 0, load_scalar(P[X_SCALES], t), GATES)
    return of_x, splat_many(P[WEIGHT_SCALES], GATES, load_scalar(P[H_SCALES], row), GATES)


def rounded_h(P, h):
    """Address of h as the product reads it: int8 (ROWS, H_BYTES / 4), C order."""
    return P[ROUNDED]


def one_row(P):
    """Words between the h of sequences: a row of ROUNDED has a quarter of the bytes of h."""
    return P[H_BYTES] // WORD_BYTES // WORD_BYTES


def finish(P, terms, made, g, given):
    """Real gate sums, tuples of float32 vectors, from the integer sums of x and of h.

    terms, made: tuples of VECTORS int32 vectors; given: from `given_in`; BIAS_IH, BIAS_HH: float32
    (GROUPS, VECTORS * LANES), C order.
    """
    at = g * VECTORS * LANES
    of_x = scaled(terms, given[0], load_rows_f32(P[BIAS_IH], at, 0, VECTORS, 1))
    return of_x, scaled(made, given[1], join(of_x, P[BIAS_HH], at, JOINED, 1))


# ---- the format


def parts(listing: Listing) -> dict[str, Any]:
    """What templates leave open, by name, for a cell in hybrid; see `form.Form`."""
    return float32.cell_parts(listing) | {
        "START_IH": OFFSETS_IH,
        "START_HH": OFFSETS_HH,
        "INPUT_SUMS": SCRATCH,
        "product": product_i8,
        **sums.OF_INTEGERS,
        "load_sums": load_rows_i32,
        "load_kept": load_rows_i32,
        "sums_at": sums.among_groups,
        "rescaled": sums.as_they_are,
        "rescaled_h": sums.as_they_are,
        "begin": sums.begin_in_memory,
        "hidden": rounded_h,
        "h_apart": one_row,
        "read_row": read_row,
        **sums.COPIED,
        "prepare": prepare,
        "given_in": given_in,
        **sums.PRODUCTS,
        "narrow_tile": float32.narrow_tile,
        "finish": finish,
        "advance": float32.advance,
    }


def single_parts(listing: Listing) -> dict[str, Any]:
    """The same for groups of one vector."""
    return parts(listing) | {"advance": float32.advance_one}


def scratch(h_units: int) -> dict[int, Array]:
    """Arrays by slot that hybrid layers need beside every format's; see `form.Form`."""
    return {
        X_SCALES: packing.aligned((KEPT_ROWS,), np.float32),
        H_SCALES: packing.aligned((TILE_ROWS,), np.float32),
        ROUNDED: packing.aligned((TILE_ROWS, h_units), np.int8),
    }


_PAIRS = Form(
    name="hybrid",
    type=np.dtype(np.float32),
    state_types=(np.dtype(np.float32), np.dtype(np.float32)),
    per_word=4,
    order=packing.natural,
    n_slots=N_SLOTS,
    compute=float32.compute,
    parts=parts,
    scratch=scratch,
)
FORM = dataclasses.replace(
    _PAIRS,
    single=dataclasses.replace(
        _PAIRS, name="hybrid_single", order=packing.single, parts=single_parts
    ),
)
