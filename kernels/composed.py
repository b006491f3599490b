"""The composed format: int8 x and h, every value inside int16, scales that are powers of two.

The arithmetic is that of TensorFlow Lite's operators of one operation each, bit for bit, for any
cell of one phase: see composed_arithmetic.py.
"""

import dataclasses
from typing import Any

import numpy as np
from numba.core.errors import TypingError

from edgelstm.kernels import composed_arithmetic as arithmetic
from edgelstm.kernels import packing
from edgelstm.kernels.cell_ops import Listing
from edgelstm.kernels.composed_arithmetic import N_SLOTS, jit
from edgelstm.kernels.float32 import three_weights, two_weights
from edgelstm.kernels.form import Form
from edgelstm.kernels.fused import payload
from edgelstm.kernels.int8 import shared_parts
from edgelstm.kernels.layer import OUTPUTS
from edgelstm.kernels.simd.memory import (
    load_octets,
    load_words,
    store_first_octets,
    store_octets,
    store_words,
)
from edgelstm.kernels.simd.target import OFFSET, PAIR
from edgelstm.kernels.simd.vectors import splat_words
from edgelstm.kernels.simd.words import (
    add_saturating,
    flip_octets,
    octets_to_words,
    words_to_octets,
)

# Bound by bind.py.
weights_of: Any = None  # two_weights or three_weights
new_states: Any = None  # one_state or two_states
step: Any = None
x_value: Any = None
h_value: Any = None
c_value: Any = None


# ---- the cell


@jit
def present_h(h, unit):
    """An int16 vector of units of h; h: address of int8 (padded units,), as for the product."""
    v = load_octets(h, unit)
    return octets_to_words(flip_octets(v) if OFFSET else v)


@jit
def narrowed(v):
    """int16 of scale 2^q as int8 of 2^(q + 8), still in words.

    Rounded twice, as `divide_product` does it; what saturates here is beyond int8 too.
    """
    return add_saturating(v, splat_words(128) + ((v >> 15) | 1)) >> 8


def one_state(P, weights, unit, h, c_row):
    """New h of a group, an int16 vector; h: address of int8 (padded units,)."""
    new = step(*weights, x_value(splat_words(0), P), h_value(present_h(h, unit), P))
    return payload(new[0])


def two_states(P, weights, unit, h, c_row):
    """New h of a group, an int16 vector; the second state, int16 (padded units,), advances."""
    c = c_value(load_words(c_row, unit), P)
    new = step(*weights, x_value(splat_words(0), P), h_value(present_h(h, unit), P), c)
    store_words(c_row, unit, payload(new[1]))
    return payload(new[0])


def advance(P, both, unit, h, h_next, y_row, c_row):
    """The cell on a whole group.

    both: input and recurrent terms, tuples of int16 vectors; unit: the group's first; h, h_next:
    addresses of int8 (padded units,), as the product wants them; y_row: of int8 (OUTPUTS,); c_row:
    of int16 (padded units,).
    """
    made = words_to_octets(narrowed(new_states(P, weights_of(both, 0, unit), unit, h, c_row)))
    store_octets(h_next, unit, flip_octets(made) if OFFSET else made)
    if unit + PAIR <= P[OUTPUTS]:
        store_octets(y_row, unit, made)
    else:
        store_first_octets(y_row, unit, made, P[OUTPUTS] - unit)


# ---- the format


def compute(listing: Listing, op: Any) -> Any:
    """The jitted function of an operation on int16 vectors, see `cell_ops.Listing`."""
    made = arithmetic.operation(listing, op)
    if made is None:
        raise TypingError(f"{listing.name}: {op.kind} of {op.args} has no composed form")
    if listing.cell.clips and op.result == listing.cell.new_states[1]:
        return arithmetic.clipped(made)
    return made


def parts(listing: Listing) -> dict[str, Any]:
    """What templates leave open, by name, for a cell in this format; see `form.Form`."""
    own = {
        "NARROW_IH": arithmetic.IH,
        "NARROW_HH": arithmetic.HH,
        "narrow": arithmetic.narrowing(len(listing.cell.gates), arithmetic.of_two),
        "weights_of": three_weights if listing.cell.peepholes else two_weights,
        "new_states": {1: one_state, 2: two_states}[len(listing.cell.states)],
        "advance": advance,
    }
    return own | shared_parts(listing)


def last_parts(listing: Listing) -> dict[str, Any]:
    """The same for a last group of one vector."""
    narrow = arithmetic.narrowing(len(listing.cell.gates), arithmetic.of_one)
    return parts(listing) | {"narrow": narrow}


_PAIRS = Form(
    name="composed",
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
