"""The int8 format: the arithmetic of TensorFlow Lite Micro's LSTM, bit for bit, in int16 lanes.

A gate is the saturating sum of two rescaled products (Q3.12), activations are read from tables
(Q0.15), and the cell is int16 with a scale 2^p: see int8_arithmetic.py.
"""

from typing import Any

import numba
import numpy as np
from numba.core.errors import TypingError

from edgelstm.kernels.fused import Listing, payload
from edgelstm.kernels.int8_arithmetic import HH, IH, N_GATES, OPERATIONS, jit, narrow
from edgelstm.kernels.layer import (
    AHEAD_BYTES,
    BIAS_HH,
    BIAS_IH,
    CELL,
    GROUPS,
    H_WORDS,
    HIDDEN,
    INPUTS,
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
from edgelstm.kernels.simd.words import (
    flip_octets,
    words_to_octets,
)

Y_BYTES = 1
# Bound by build.py.
VECTORS: Any = None
ROWS: Any = None
step: Any = None
w_products: Any = None
u_products: Any = None
x_value: Any = None
h_value: Any = None
c_value: Any = None


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
