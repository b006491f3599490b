"""The float32 format: products, states and operations of the kernel in layer.py.

The functions are templates: a name that is None below is bound by bind.py.
"""

import dataclasses
from typing import Any

import numba
import numpy as np

from edgelstm.kernels import activations, packing, sums
from edgelstm.kernels.cell_ops import Listing
from edgelstm.kernels.form import Form
from edgelstm.kernels.fused import payload
from edgelstm.kernels.kept import N_SLOTS, capture
from edgelstm.kernels.layer import (
    BIAS_HH,
    BIAS_IH,
    C_BYTES,
    CLIP,
    INPUTS,
    OUTPUTS,
    PEEPHOLES,
    SCRATCH,
    WORD_BYTES,
    X_ROWS,
)
from edgelstm.kernels.simd.memory import (
    load_f32,
    load_rows_f32,
    load_scalar,
    store_f32,
    store_first_f32,
    store_scalar,
)
from edgelstm.kernels.simd.options import INLINED
from edgelstm.kernels.simd.products import product_f32
from edgelstm.kernels.simd.target import LANES
from edgelstm.kernels.simd.tuples import join
from edgelstm.kernels.simd.vectors import above, below, splat_f32

jit = numba.njit(**INLINED)

# Bound by bind.py.
GATES: Any = None  # how many
JOINED: Any = None  # a letter 1 or 0 per gate: whether one sum holds both of its products
step: Any = None  # the cell's equations
w_products: Any = None
u_products: Any = None
x_value: Any = None
h_value: Any = None
c_value: Any = None
peepholes: Any = None
weights_of: Any = None  # two_weights or three_weights
new_h: Any = None  # one_state or two_states


# ---- rows and sums


def input_rows(P, source, n, row):
    """Address of rows of x, ready: the product reads x itself, float32 (n, INPUTS), C order."""
    return source


def input_row(P, source):
    """Address of a copy of a lone row of x, float32 (INPUTS,).

    y may lie where x does, and is written before x is read to its end.
    """
    copy_row(source, P[INPUTS], P[X_ROWS])
    return P[X_ROWS]


def x_words(P, apart):
    """Words from a sequence's first row of x to the next sequence's, `apart` bytes behind it."""
    return apart // WORD_BYTES


@jit
def copy_row(source, count, out):
    """Copies float32 (count,) from address to address."""
    k = 0
    while k + LANES <= count:
        store_f32(out, k, load_f32(source, k))
        k += LANES
    while k < count:
        store_scalar(out, k, load_scalar(source, k))
        k += 1


def prepare(P, h, row):
    """Nothing: the product reads h itself."""


def given_in(P, t, row):
    """0: `finish` needs nothing of a step."""
    return 0


def begin_on_inputs(P, terms, at, rows):
    """Where the sums of h begin: on the terms of a joined gate, else at its bias.

    terms: a tuple of float32 vectors, VECTORS for each of `rows` rows; BIAS_HH: float32 (GROUPS,
    VECTORS * LANES), C order, read from element `at`.
    """
    return join(terms, P[BIAS_HH], at, JOINED, rows)


def narrow_tile(P, first, n, g):
    """Nothing: sums of x are kept as they are."""


def finish(P, terms, made, g, given):
    """The sums of x and of h, tuples of float32 vectors: what the gates need."""
    return terms, made


# ---- the cell


def two_weights(both, first, unit):
    """What the equations call W and U.

    both: the sums of x and of h, tuples of float32 vectors; first: literal, the first of the GATES
    that are taken; unit: the first unit.
    """
    return w_products(both[0], first, unit), u_products(both[1], first, unit)


def three_weights(both, first, unit):
    """What the equations call W, U and P.

    both: the sums of x and of h, tuples of float32 vectors; first: literal, the first of the GATES
    that are taken; unit: the first unit.
    """
    W, U = w_products(both[0], first, unit), u_products(both[1], first, unit)
    return W, U, peepholes(unit)


def one_state(P, weights, unit, h, c_row):
    """New h of one vector of units, float32; h: address of float32 (padded units,)."""
    new = step(*weights, x_value(0, P), h_value(load_f32(h, unit), P))
    return payload(new[0])


def two_states(P, weights, unit, h, c_row):
    """New h of one vector of units, float32; the second state advances in place.

    h, c_row: addresses of float32 (padded units,).
    """
    c = c_value(load_f32(c_row, unit), P)
    new = step(*weights, x_value(0, P), h_value(load_f32(h, unit), P), c)
    store_f32(c_row, unit, payload(new[1]))
    return payload(new[0])


@jit
def keep(P, new, unit, h_next, y_row):
    """Stores a vector of h for the next step and for the caller, whose rows are not padded.

    new: float32 vector, of units from `unit` on; h_next: address of float32 (padded units,); y_row:
    of float32 (OUTPUTS,). The padding of h stays 0: what is not finite there would come into
    every unit, as 0 times it is not a number.
    """
    if unit + LANES <= P[OUTPUTS]:
        store_f32(h_next, unit, new)
        store_f32(y_row, unit, new)
    else:
        store_first_f32(h_next, unit, new, P[OUTPUTS] - unit)
        store_first_f32(y_row, unit, new, P[OUTPUTS] - unit)


def advance_one(P, both, unit, h, h_next, y_row, c_row):
    """The cell on a group of one vector; arguments as in `advance`."""
    keep(P, new_h(P, weights_of(both, 0, unit), unit, h, c_row), unit, h_next, y_row)


def advance(P, both, unit, h, h_next, y_row, c_row):
    """The cell on the two vectors of a group, one after the other.

    both: the sums of x and of h, tuples of float32 vectors; unit: the group's first; h, h_next,
    c_row: addresses of float32 (padded units,); y_row: of float32 (OUTPUTS,).
    """
    first = new_h(P, weights_of(both, 0, unit), unit, h, c_row)
    keep(P, first, unit, h_next, y_row)
    unit += LANES
    second = new_h(P, weights_of(both, GATES, unit), unit, h, c_row)
    keep(P, second, unit, h_next, y_row)


# ---- operations


@jit
def _second(P, a, b):
    """The sum of a joined gate, a float32 vector: both of its products are in the second."""
    return b


@jit
def _clip(P, v):
    """A float32 vector cut to +- the float32 at CLIP."""
    limit = load_scalar(P[CLIP], 0)
    return below(splat_f32(limit), above(splat_f32(-limit), v))


OPERATIONS = {
    "add": jit(lambda P, a, b: a + b),
    "sub": jit(lambda P, a, b: a - b),
    "mul": jit(lambda P, a, b: a * b),
    "complement": jit(lambda P, a: 1.0 - a),
    "sigmoid": jit(lambda P, a: activations.sigmoid(a)),
    "tanh": jit(lambda P, a: activations.tanh(a)),
    "relu": jit(lambda P, a: above(splat_f32(0.0), a)),
}


def compute(listing: Listing, op: Any) -> Any:
    """The jitted function of an operation on float32 vectors, see `cell_ops.Listing`."""
    if op.kind == "scale":
        return _scale(listing.cell.peepholes.index(op.gate))
    if any(op == listing.joined(gate) for gate in listing.cell.gates):
        return _second
    if listing.cell.clips and op.result == listing.cell.new_states[1]:
        return _clipped(OPERATIONS[op.kind])
    return OPERATIONS[op.kind]


def _scale(row: int) -> Any:
    return jit(lambda P, v, unit: v * load_f32(P[PEEPHOLES] + row * P[C_BYTES], unit))


def _clipped(operation: Any) -> Any:
    return jit(lambda P, a, b: _clip(P, operation(P, a, b)))


# ---- the format


def cell_parts(listing: Listing) -> dict[str, Any]:
    """What the functions above need to know of a cell, by name."""
    joined = "".join("1" if listing.joined(gate) else "0" for gate in listing.cell.gates)
    return {
        "JOINED": joined,
        "weights_of": three_weights if listing.cell.peepholes else two_weights,
        "new_h": {1: one_state, 2: two_states}[len(listing.cell.states)],
    }


def parts(listing: Listing) -> dict[str, Any]:
    """What templates leave open, by name, for a cell in float32; see `form.Form`."""
    return cell_parts(listing) | {
        "START_IH": BIAS_IH,
        "INPUT_SUMS": SCRATCH,
        "product": product_f32,
        **sums.OF_FLOATS,
        "load_sums": load_rows_f32,
        "load_kept": load_rows_f32,
        "sums_at": sums.among_groups,
        "rescaled": sums.as_they_are,
        "rescaled_h": sums.as_they_are,
        "begin": begin_on_inputs,
        "hidden": sums.h_itself,
        "h_apart": sums.two_rows,
        "input_rows": input_rows,
        "input_row": input_row,
        "x_words": x_words,
        "prepare": prepare,
        "given_in": given_in,
        **sums.PRODUCTS,
        "narrow_tile": narrow_tile,
        "finish": finish,
        "advance": advance,
    }


def single_parts(listing: Listing) -> dict[str, Any]:
    """The same for groups of one vector."""
    return parts(listing) | {"advance": advance_one}


_PAIRS = Form(
    name="float32",
    type=np.dtype(np.float32),
    state_types=(np.dtype(np.float32), np.dtype(np.float32)),
    per_word=1,
    order=packing.natural,
    n_slots=N_SLOTS,
    compute=compute,
    parts=parts,
    capture=capture,
)
FORM = dataclasses.replace(
    _PAIRS,
    single=dataclasses.replace(
        _PAIRS, name="float32_single", order=packing.single, parts=single_parts
    ),
)
