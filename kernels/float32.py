"""The float32 format: products, states and operations of the kernel in layer.py.

The functions are templates: a name that is None below is bound by build.py.
"""

from typing import Any

import numba

from edgelstm.kernels import activations
from edgelstm.kernels.compilation import INLINED
from edgelstm.kernels.fused import Listing, payload
from edgelstm.kernels.layer import (
    AHEAD_BYTES,
    BIAS_HH,
    BIAS_IH,
    CELL,
    CLIP,
    GROUPS,
    H_WORDS,
    HIDDEN,
    INPUTS,
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
    load_many_f32,
    load_scalar,
    store_f32,
    store_first_f32,
    store_rows,
    store_scalar,
)
from edgelstm.kernels.simd.products import gemm_f32, gemv_f32
from edgelstm.kernels.simd.target import LANES
from edgelstm.kernels.simd.vectors import above, below, splat_f32

Y_BYTES = 4
jit = numba.njit(**INLINED)

# Bound by build.py.
GATES: Any = None  # how many
VECTORS: Any = None  # 2 * GATES: of one group
JOINED: Any = None  # a letter 1 or 0 per gate: whether one sum holds both of its products
ROWS: Any = None  # steps of a tile
step: Any = None  # the cell's equations
w_products: Any = None
u_products: Any = None
x_value: Any = None
h_value: Any = None
c_value: Any = None
new_h: Any = None  # one_state or two_states


# ---- products


def input_rows(P, x, start, n):
    """The product reads x itself; one step is copied, as its y may lie where its x does."""
    rows = address(x) + start * P[INPUTS] * 4
    if n > 1 or start > 0:
        return rows
    copy_row(rows, P[INPUTS], P[X_ROWS])
    return P[X_ROWS]


@jit
def copy_row(source, count, out):
    """float32 values from address to address."""
    k = 0
    while k + LANES <= count:
        store_f32(out, k, load_f32(source, k))
        k += LANES
    while k < count:
        store_scalar(out, k, load_scalar(source, k))
        k += 1


def begin_step(P, t, h):
    """Nothing is needed."""
    return 0


def tile_at(P, rows, t, g):
    """Input products and biases of ROWS steps, for one group."""
    k, at = P[WORDS], g * VECTORS * LANES
    start = load_many_f32(P[BIAS_IH], at, VECTORS)
    made = gemm_f32(start, P[W_IH] + 4 * at * k, rows + t * k * 4, k, k, ROWS)
    stride = P[GROUPS] * VECTORS * LANES
    store_rows(P[SCRATCH], t * stride + at, made, stride, ROWS)


def narrow_tile(P, n, g):
    """They are stored as they are."""


def load_terms(P, t, g):
    """Stored input products of one group."""
    return load_many_f32(P[SCRATCH], (t * P[GROUPS] + g) * VECTORS * LANES, VECTORS)


def input_terms(P, row, g):
    """The same, formed now."""
    at = g * VECTORS * LANES
    start = load_many_f32(P[BIAS_IH], at, VECTORS)
    return gemv_f32(start, P[W_IH] + 4 * at * P[WORDS], row, P[WORDS], 0)


def sums(P, terms, g, h, given):
    """Adds the recurrent products, onto the input's where a gate is joined."""
    at = g * VECTORS * LANES
    w = P[W_HH] + 4 * at * P[H_WORDS]
    start = join(terms, P[BIAS_HH], at, JOINED)
    if P[PREFETCH]:
        recurrent = gemv_f32(start, w, h, P[H_WORDS], AHEAD_BYTES)
    else:
        recurrent = gemv_f32(start, w, h, P[H_WORDS], 0)
    return terms, recurrent


# ---- the cell


def one_state(P, W, U, unit, h):
    """New h of one vector of units."""
    new = step(W, U, x_value(0, P), h_value(load_f32(h, unit), P))
    return payload(new[0])


def two_states(P, W, U, unit, h):
    """New h of one vector of units; the second state advances in place."""
    c = c_value(load_f32(P[CELL], unit), P)
    new = step(W, U, x_value(0, P), h_value(load_f32(h, unit), P), c)
    store_f32(P[CELL], unit, payload(new[1]))
    return payload(new[0])


@jit
def keep(P, new, unit, h_next, y_row):
    """Stores h for the next step and for the caller, whose rows are not padded."""
    store_f32(h_next, unit, new)
    if unit + LANES <= P[HIDDEN]:
        store_f32(y_row, unit, new)
    else:
        store_first_f32(y_row, unit, new, P[HIDDEN] - unit)


def advance(P, both, unit, h, h_next, y_row):
    """The two vectors of a group, one after the other."""
    first = new_h(P, w_products(both[0], 0), u_products(both[1], 0), unit, h)
    keep(P, first, unit, h_next, y_row)
    unit += LANES
    second = new_h(P, w_products(both[0], GATES), u_products(both[1], GATES), unit, h)
    keep(P, second, unit, h_next, y_row)


# ---- operations


@jit
def _second(P, a, b):
    """Both products of a joined gate are in the second sum."""
    return b


@jit
def _clip(P, v):
    limit = load_scalar(P[CLIP], 0)
    return below(splat_f32(limit), above(splat_f32(-limit), v))


OPERATIONS = {
    "add": jit(lambda P, a, b: a + b),
    "sub": jit(lambda P, a, b: a - b),
    "mul": jit(lambda P, a, b: a * b),
    "complement": jit(lambda P, a: 1.0 - a),
    "sigmoid": jit(lambda P, a: activations.sigmoid(a)),
    "tanh": jit(lambda P, a: activations.tanh(a)),
}


def compute(listing: Listing, op: Any) -> Any:
    """See `Listing.compute`."""
    if any(op == listing.joined(gate) for gate in listing.gates):
        return _second
    if listing.clips and op.result == listing.new_states[1]:
        return _clipped(OPERATIONS[op.kind])
    return OPERATIONS[op.kind]


def _clipped(operation: Any) -> Any:
    return jit(lambda P, a, b: _clip(P, operation(P, a, b)))


def bind(listing: Listing) -> dict[str, Any]:
    """What the templates need to know of a cell."""
    states = {1: one_state, 2: two_states}[len(listing.states)]
    joined = "".join("1" if listing.joined(gate) else "0" for gate in listing.gates)
    return {"JOINED": joined, "new_h": states}


# Each may use those before it.
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
