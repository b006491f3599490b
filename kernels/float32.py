"""The float32 format: products, states and operations of the kernel in layer.py.

The functions are templates: a name that is None below is bound by bind.py.
"""

from typing import Any

import numba

from edgelstm.kernels import activations
from edgelstm.kernels.cache import INLINED
from edgelstm.kernels.cell_ops import Listing
from edgelstm.kernels.fused import payload
from edgelstm.kernels.layer import (
    AHEAD_BYTES,
    BIAS_HH,
    BIAS_IH,
    CHUNK,
    CLIP,
    GROUPS,
    H_WORDS,
    INPUTS,
    OUTPUTS,
    PEEPHOLES,
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
    load_rows_f32,
    load_scalar,
    store_f32,
    store_first_f32,
    store_rows,
    store_scalar,
)
from edgelstm.kernels.simd.products import product_f32
from edgelstm.kernels.simd.target import LANES, PAIR
from edgelstm.kernels.simd.tuples import join
from edgelstm.kernels.simd.vectors import above, below, splat_f32

INPUT_BYTES = Y_BYTES = 4
jit = numba.njit(**INLINED)

# Bound by bind.py.
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
peepholes: Any = None
weights_of: Any = None  # two_weights or three_weights
new_h: Any = None  # one_state or two_states


# ---- products


def input_rows(P, source, n, row):
    """The product reads x itself."""
    return source


def input_row(P, source):
    """Copied: y may lie where x does, and is written before x is read to its end."""
    copy_row(source, P[INPUTS], P[X_ROWS])
    return P[X_ROWS]


def x_words(P, steps):
    """Sequences follow each other as they are."""
    return steps * P[WORDS]


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


def prepare(P, h, row):
    """The product reads h itself."""


def given_in(P, t, row):
    """Nothing is needed."""
    return 0


def tile_at(P, rows, apart, out, out_apart, g):
    """Input products and biases of ROWS rows, for one group."""
    k, at = P[WORDS], g * VECTORS * LANES
    start = load_rows_f32(P[BIAS_IH], at, 0, VECTORS, ROWS)
    made = product_f32(start, P[W_IH] + 4 * at * k, rows, apart, k, ROWS, 0)
    stride = P[GROUPS] * VECTORS * LANES
    store_rows(P[SCRATCH], out * stride + at, made, out_apart * stride, ROWS)


def narrow_tile(P, first, n, g):
    """They are stored as they are."""


def load_terms(P, row, g):
    """Stored input products of one group."""
    return load_rows_f32(P[SCRATCH], (row * P[GROUPS] + g) * VECTORS * LANES, 0, VECTORS, 1)


def input_terms(P, row, g):
    """The same, formed now."""
    at = g * VECTORS * LANES
    start = load_rows_f32(P[BIAS_IH], at, 0, VECTORS, 1)
    return product_f32(start, P[W_IH] + 4 * at * P[WORDS], row, 0, P[WORDS], 1, 0)


def recurrent(P, terms, g, h):
    """Products of h, onto the input's where a gate is joined."""
    at = g * VECTORS * LANES
    w, start = P[W_HH] + 4 * at * P[H_WORDS], join(terms, P[BIAS_HH], at, JOINED)
    if P[PREFETCH]:
        return product_f32(start, w, h, 0, P[H_WORDS], 1, AHEAD_BYTES)
    return product_f32(start, w, h, 0, P[H_WORDS], 1, 0)


def recurrent_rows(P, t, g, h):
    """The same of ROWS sequences."""
    at, stride = g * VECTORS * LANES, P[GROUPS] * VECTORS * LANES
    terms = load_rows_f32(P[SCRATCH], t * stride + at, P[CHUNK] * stride, VECTORS, ROWS)
    w, start = P[W_HH] + 4 * at * P[H_WORDS], join(terms, P[BIAS_HH], at, JOINED)
    made = product_f32(start, w, h, 2 * P[H_WORDS], P[H_WORDS], ROWS, 0)
    store_rows(P[TILE], 0, made, VECTORS * LANES, ROWS)


def made_rows(P, row):
    """Those of one sequence."""
    return load_rows_f32(P[TILE], row * VECTORS * LANES, 0, VECTORS, 1)


def finish(P, terms, made, g, given):
    """They are what the gates need."""
    return terms, made


# ---- the cell


def two_weights(both, first, unit):
    """What the equations call W and U."""
    return w_products(both[0], first, unit), u_products(both[1], first, unit)


def three_weights(both, first, unit):
    """W, U and P."""
    W, U = w_products(both[0], first, unit), u_products(both[1], first, unit)
    return W, U, peepholes(unit)


def one_state(P, weights, unit, h, c_row):
    """New h of one vector of units."""
    new = step(*weights, x_value(0, P), h_value(load_f32(h, unit), P))
    return payload(new[0])


def two_states(P, weights, unit, h, c_row):
    """New h of one vector of units; the second state advances in place."""
    c = c_value(load_f32(c_row, unit), P)
    new = step(*weights, x_value(0, P), h_value(load_f32(h, unit), P), c)
    store_f32(c_row, unit, payload(new[1]))
    return payload(new[0])


@jit
def keep(P, new, unit, h_next, y_row):
    """Stores h for the next step and for the caller, whose rows are not padded.

    The padding of h stays 0: what is not finite there would come into every unit, as 0 times it is
    not a number.
    """
    if unit + LANES <= P[OUTPUTS]:
        store_f32(h_next, unit, new)
        store_f32(y_row, unit, new)
    else:
        store_first_f32(h_next, unit, new, P[OUTPUTS] - unit)
        store_first_f32(y_row, unit, new, P[OUTPUTS] - unit)


def advance(P, both, unit, h, h_next, y_row, c_row):
    """The two vectors of a group, one after the other."""
    first = new_h(P, weights_of(both, 0, unit), unit, h, c_row)
    keep(P, first, unit, h_next, y_row)
    unit += LANES
    second = new_h(P, weights_of(both, GATES, unit), unit, h, c_row)
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
    if op.kind == "scale":
        return _scale(listing.cell.peepholes.index(op.gate))
    if any(op == listing.joined(gate) for gate in listing.cell.gates):
        return _second
    if listing.cell.clips and op.result == listing.cell.new_states[1]:
        return _clipped(OPERATIONS[op.kind])
    return OPERATIONS[op.kind]


def _scale(row: int) -> Any:
    return jit(lambda P, v, unit: v * load_f32(P[PEEPHOLES], row * P[GROUPS] * PAIR + unit))


def _clipped(operation: Any) -> Any:
    return jit(lambda P, a, b: _clip(P, operation(P, a, b)))


def bind(listing: Listing) -> dict[str, Any]:
    """What the templates need to know of a cell."""
    joined = "".join("1" if listing.joined(gate) else "0" for gate in listing.cell.gates)
    return {
        "JOINED": joined,
        "weights_of": three_weights if listing.cell.peepholes else two_weights,
        "new_h": {1: one_state, 2: two_states}[len(listing.cell.states)],
    }


# Each may use those before it.
TEMPLATES = (
    *(input_rows, input_row, x_words, prepare, given_in, narrow_tile, load_terms, input_terms),
    *(recurrent, made_rows, finish, advance),
)
