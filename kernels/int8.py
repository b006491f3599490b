"""The int8 format: the arithmetic of TensorFlow Lite Micro's LSTM, bit for bit, in int16 lanes.

A gate is the saturating sum of two rescaled products (Q3.12), activations are read from tables
(Q0.15), and the cell is int16 with a scale 2^p: see int8_arithmetic.py.
"""

from typing import Any

import numba
import numpy as np
from numba.core.errors import TypingError

from edgelstm.kernels.cell_ops import Listing
from edgelstm.kernels.float32 import given_in, prepare
from edgelstm.kernels.fused import payload
from edgelstm.kernels.hybrid import made_rows, x_words
from edgelstm.kernels.int8_arithmetic import HH, IH, N_GATES, OPERATIONS, jit, narrow
from edgelstm.kernels.layer import (
    AHEAD_BYTES,
    BIAS_HH,
    BIAS_IH,
    GROUPS,
    H_WORDS,
    INPUTS,
    OUTPUTS,
    PREFETCH,
    SCRATCH,
    TILE,
    W_HH,
    W_IH,
    WORDS,
    X_ROWS,
)
from edgelstm.kernels.simd.memory import (
    bytes_at,
    load_rows_i32,
    load_rows_words,
    load_words,
    store_first_octets,
    store_octets,
    store_rows,
    store_words,
)
from edgelstm.kernels.simd.products import product_i8
from edgelstm.kernels.simd.target import LANES, OFFSET, PAIR
from edgelstm.kernels.simd.words import (
    flip_octets,
    words_to_octets,
)

INPUT_BYTES = Y_BYTES = 1
# Bound by bind.py.
VECTORS: Any = None
ROWS: Any = None
step: Any = None
w_products: Any = None
u_products: Any = None
x_value: Any = None
h_value: Any = None
c_value: Any = None


# ---- products


def input_rows(P, source, n, row):
    """n rows of x as the product reads them."""
    for t in range(n):
        copy_row(source + t * P[INPUTS], P[INPUTS], P[X_ROWS] + (row + t) * P[WORDS] * 4)
    return P[X_ROWS] + row * P[WORDS] * 4


def input_row(P, source):
    """Copied too."""
    return input_rows(P, source, 1, 0)


@jit
def copy_row(source, count, out):
    """int8 values, stored as the product wants them."""
    x = numba.carray(bytes_at(source), count)
    rows = numba.carray(bytes_at(out), count)
    for k in range(count):
        rows[k] = x[k] ^ np.uint8(OFFSET)


def tile_at(P, rows, apart, out, out_apart, g):
    """Input products of ROWS rows, for one group, to TILE."""
    k, at = P[WORDS], g * VECTORS * LANES
    start = load_rows_i32(P[BIAS_IH], at, 0, VECTORS, ROWS)
    made = product_i8(start, P[W_IH] + 4 * at * k, rows, apart, k, ROWS, 0)
    store_rows(P[TILE], out * VECTORS * LANES, made, out_apart * VECTORS * LANES, ROWS)


def narrow_tile(P, first, n, g):
    """Rescales them here, off the chain from one step to the next."""
    for row in range(first, first + n):
        made = narrow(P, made_rows(P, row), IH)
        store_rows(P[SCRATCH], (row * P[GROUPS] + g) * N_GATES * PAIR, made, 0, 1)


def load_terms(P, row, g):
    """Stored input terms of one group."""
    return load_rows_words(P[SCRATCH], (row * P[GROUPS] + g) * N_GATES * PAIR, 0, N_GATES, 1)


def input_terms(P, row, g):
    """The same, formed now."""
    at = g * VECTORS * LANES
    start = load_rows_i32(P[BIAS_IH], at, 0, VECTORS, 1)
    w = P[W_IH] + 4 * at * P[WORDS]
    return narrow(P, product_i8(start, w, row, 0, P[WORDS], 1, 0), IH)


def recurrent(P, terms, g, h):
    """Products of h."""
    at = g * VECTORS * LANES
    w, start = P[W_HH] + 4 * at * P[H_WORDS], load_rows_i32(P[BIAS_HH], at, 0, VECTORS, 1)
    if P[PREFETCH]:
        return product_i8(start, w, h, 0, P[H_WORDS], 1, AHEAD_BYTES)
    return product_i8(start, w, h, 0, P[H_WORDS], 1, 0)


def recurrent_rows(P, t, g, h):
    """The same of ROWS sequences."""
    at = g * VECTORS * LANES
    w, start = P[W_HH] + 4 * at * P[H_WORDS], load_rows_i32(P[BIAS_HH], at, 0, VECTORS, ROWS)
    made = product_i8(start, w, h, 2 * P[H_WORDS], P[H_WORDS], ROWS, 0)
    store_rows(P[TILE], 0, made, VECTORS * LANES, ROWS)


def finish(P, terms, made, g, given):
    """Rescales the recurrent terms."""
    return terms, narrow(P, made, HH)


# ---- the cell


def advance(P, both, unit, h, h_next, y_row, c_row):
    """A whole group."""
    c = c_value(load_words(c_row, unit), P)
    W, U = w_products(both[0], 0, unit), u_products(both[1], 0, unit)
    new = step(W, U, x_value(0, P), h_value(0, P), c)
    store_words(c_row, unit, payload(new[1]))
    made = words_to_octets(payload(new[0]))
    store_octets(h_next, unit, flip_octets(made) if OFFSET else made)
    if unit + PAIR <= P[OUTPUTS]:
        store_octets(y_row, unit, made)
    else:
        store_first_octets(y_row, unit, made, P[OUTPUTS] - unit)


def compute(listing: Listing, op: Any) -> Any:
    """See `Listing.compute`."""
    key = (op.kind, listing.role(op.result), *(listing.role(a) for a in op.args))
    if key not in OPERATIONS:
        raise TypingError(f"{listing.name}: {' '.join(key)} has no int8 form")
    return OPERATIONS[key]


def bind(listing: Listing) -> dict[str, Any]:
    """What the templates need to know of a cell."""
    assert len(listing.cell.gates) == N_GATES
    return {}


# Each may use those before it.
TEMPLATES = (
    *(
        input_rows,
        input_row,
        x_words,
        prepare,
        given_in,
        made_rows,
        narrow_tile,
        load_terms,
        input_terms,
    ),
    *(recurrent, finish, advance),
)
