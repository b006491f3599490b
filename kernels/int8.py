"""The int8 format: the arithmetic of TensorFlow Lite Micro's LSTM, bit for bit, in int16 lanes.

A gate is the saturating sum of two rescaled products (Q3.12), activations are read from tables
(Q0.15), and the cell is int16 with a scale 2^p: see int8_arithmetic.py.
"""

import dataclasses
from typing import Any

import numba
import numpy as np
from numba.core.errors import TypingError

from edgelstm.kernels import packing, sums
from edgelstm.kernels.cell_ops import Listing
from edgelstm.kernels.float32 import given_in
from edgelstm.kernels.form import Form
from edgelstm.kernels.fused import payload
from edgelstm.kernels.int8_arithmetic import (
    HH,
    IH,
    N_GATES,
    N_SLOTS,
    OPERATIONS,
    jit,
    narrow_four,
    narrow_four_halves,
)
from edgelstm.kernels.layer import (
    BIAS_HH,
    BIAS_IH,
    GROUPS,
    H_LACKS,
    H_WORDS,
    INPUTS,
    OUTPUTS,
    SCRATCH,
    TILE,
    WORD_BYTES,
    WORDS,
    X_LACKS,
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
from edgelstm.kernels.simd.words import flip_octets, words_to_octets
from edgelstm.kernels.sums import note_lacks

# Bound by bind.py.
GATES: Any = None  # how many
VECTORS: Any = None  # of the sums of a group
NARROW_IH: Any = None  # slots of the numbers by which sums of x, and of h, are rescaled
NARROW_HH: Any = None
narrow: Any = None  # (P, sums, slot): VECTORS int32 vectors to GATES of int16
rescaled: Any = None
step: Any = None
w_products: Any = None
u_products: Any = None
x_value: Any = None
h_value: Any = None
c_value: Any = None


# ---- rows and sums


@jit
def copy_row(source, count, out):
    """Copies int8 (count,) from address to address, as the product wants them: x + OFFSET."""
    x = numba.carray(bytes_at(source), count)
    rows = numba.carray(bytes_at(out), count)
    for k in range(count):
        rows[k] = x[k] ^ np.uint8(OFFSET)


def read_row(P, source, row):
    """Copies a row of x, int8 (INPUTS,) at `source`, to row `row` of X_ROWS."""
    out = P[X_ROWS] + row * P[WORDS] * WORD_BYTES
    copy_row(source, P[INPUTS], out)
    note_lacks(P, X_LACKS, row, out, P[INPUTS])


def prepare(P, h, row):
    """The product reads h itself, int8 (4 * H_WORDS,) at address h."""
    note_lacks(P, H_LACKS, row, h, P[H_WORDS] * WORD_BYTES)


def narrow_inputs(P, sums_of_x):
    """Input terms of a group, a tuple of int16 vectors, from VECTORS int32 vectors."""
    return narrow(P, sums_of_x, NARROW_IH)


def narrow_recurrent(P, sums_of_h):
    """Recurrent terms of a group, a tuple of int16 vectors, from VECTORS int32 vectors."""
    return narrow(P, sums_of_h, NARROW_HH)


def narrow_tile(P, first, n, g):
    """Rescales n rows of sums of x, off the chain from one step to the next.

    From TILE, int32 (rows, VECTORS * LANES), to SCRATCH, int16 (rows, GROUPS, GATES * PAIR), both
    C order and from row `first` on.
    """
    for row in range(first, first + n):
        made = rescaled(P, load_rows_i32(P[TILE], row * VECTORS * LANES, 0, VECTORS, 1))
        store_rows(P[SCRATCH], (row * P[GROUPS] + g) * GATES * PAIR, made, 0, 1)


def finish(P, terms, made, g, given):
    """Input and recurrent terms, tuples of int16 vectors."""
    return terms, made


# ---- the cell


def advance(P, both, unit, h, h_next, y_row, c_row):
    """The cell on a whole group.

    both: input and recurrent terms, tuples of int16 vectors; unit: the group's first; h_next:
    address of int8 (padded units,), as the product wants them; y_row: of int8 (OUTPUTS,); c_row: of
    int16 (padded units,).
    """
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
    """The jitted function of an operation on int16 vectors, see `cell_ops.Listing`."""
    key = (op.kind, listing.role(op.result), *(listing.role(a) for a in op.args))
    if key not in OPERATIONS:
        raise TypingError(f"{listing.name}: {' '.join(key)} has no int8 form")
    return OPERATIONS[key]


def shared_parts(listing: Listing) -> dict[str, Any]:
    """What every format of int8 products and int16 terms has in common; see `form.Form`."""
    return {
        "TERMS": len(listing.cell.gates),
        "START_IH": BIAS_IH,
        "START_HH": BIAS_HH,
        "INPUT_SUMS": TILE,
        "product": product_i8,
        **sums.OF_INTEGERS,
        "load_sums": load_rows_i32,
        "load_kept": load_rows_words,
        "sums_at": sums.of_one_group,
        "rescaled": narrow_inputs,
        "rescaled_h": narrow_recurrent,
        "begin": sums.begin_in_memory,
        "hidden": sums.h_itself,
        "h_apart": sums.two_rows,
        "read_row": read_row,
        **sums.COPIED,
        "prepare": prepare,
        "given_in": given_in,
        **sums.PRODUCTS,
        "narrow_tile": narrow_tile,
        "finish": finish,
    }


def parts(listing: Listing) -> dict[str, Any]:
    """What templates leave open, by name, for a cell in int8; see `form.Form`."""
    assert len(listing.cell.gates) == N_GATES
    own = {"NARROW_IH": IH, "NARROW_HH": HH, "narrow": narrow_four, "advance": advance}
    return own | shared_parts(listing)


def last_parts(listing: Listing) -> dict[str, Any]:
    """The same for a last group of one vector."""
    return parts(listing) | {"narrow": narrow_four_halves}


_PAIRS = Form(
    name="int8",
    type=np.dtype(np.int8),
    state_types=(np.dtype(np.int8), np.dtype(np.int16)),
    per_word=4,
    order=packing.narrowed,
    n_slots=N_SLOTS,
    compute=compute,
    parts=parts,
)
FORM = dataclasses.replace(
    _PAIRS, last=dataclasses.replace(_PAIRS, order=packing.single, parts=last_parts)
)
