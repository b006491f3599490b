"""Sums of products of a group of units: how they are formed, and where they wait.

These templates serve every format: a name that is None below stands for what tells formats apart,
and is bound by bind.py. A row of sums is VECTORS vectors, [halves][gates][lanes] of the product's
type: float32, or int32 of int8 products. `P` is the pointer to a kernel's int64 parameters, see
layer.py; other arguments are int64: addresses, counts, and `g`, the number of a group.
"""

from typing import Any

import numba

from edgelstm.kernels.layer import (
    AHEAD_BYTES,
    CHUNK,
    GROUPS,
    H_BYTES,
    H_LACKS,
    H_WORDS,
    HALVED,
    INPUTS,
    PREFETCH,
    SCRATCH,
    TILE,
    W_HH,
    W_IH,
    WORD_BYTES,
    WORDS,
    X_LACKS,
    X_ROWS,
)
from edgelstm.kernels.simd.memory import bytes_at, load_i8, store_integer, store_rows
from edgelstm.kernels.simd.options import INLINED
from edgelstm.kernels.simd.target import ASKS_AHEAD, LACKS, LANES
from edgelstm.kernels.simd.tuples import raised
from edgelstm.kernels.simd.vectors import magnitude_below_zero, splat_i32, total_i32

jit = numba.njit(**INLINED)

# Bound by bind.py.
GATES: Any = None  # how many
GROUP: Any = None  # units of a group, but for the last one where less is left
VECTORS: Any = None  # of the sums of a group
ROWS: Any = None  # rows of x, or sequences, whose products are formed together
INPUT_BYTES: Any = None  # of one value of x
TERMS: Any = None  # vectors of the input terms of a group, as they are kept
START_IH: Any = None  # slot: where the sums of x begin
START_HH: Any = None  # slot: where those of h begin, if nothing else is said by `begin`
INPUT_SUMS: Any = None  # slot: where the sums of x go
h_apart: Any = None  # (P) -> words from the h of a sequence to that of the next, for the product
product: Any = None  # product_f32, or product_i8
load_sums: Any = None  # loads rows of sums
load_kept: Any = None  # loads rows of input terms
sums_at: Any = None  # (P, row, g) -> offset in INPUT_SUMS of a row of sums
rescaled: Any = None  # (P, sums of x) -> input terms
rescaled_h: Any = None  # (P, sums of h) -> what `finish` takes of them
begin: Any = None  # (P, terms, offset, literal rows) -> where the sums of h begin
hidden: Any = None  # (P, h) -> address of h as the product reads it
read_row: Any = None  # (P, source, row): a row of x to that row of X_ROWS
input_rows: Any = None  # copied_rows
of_whole: Any = None  # one of the functions below, for a group of the form
of_last: Any = None  # the same for a last group of one vector
whole: Any = None  # (P, slot, row, apart, sums, rows) -> the sums, with what their products lack


# ---- rows of x that are copied for the product


def copied_rows(P, source, n, row):
    """Address of n rows of x as the product reads them, the first of them row `row` of X_ROWS.

    source: address of x, (n, INPUTS) in the format's type, C order; X_ROWS: (rows, WORDS) words,
    C order.
    """
    for t in range(n):
        read_row(P, source + t * P[INPUTS] * INPUT_BYTES, row + t)
    return P[X_ROWS] + row * P[WORDS] * WORD_BYTES


def copied_row(P, source):
    """Address of a lone row of x as the product reads it, which y does not overlap.

    source: address of x, (INPUTS,) in the format's type.
    """
    return input_rows(P, source, 1, 0)


def copied_words(P, apart):
    """Words from a sequence's first copied row to the next sequence's: a chunk of rows."""
    return P[CHUNK] * P[WORDS]


# ---- what int8 products lack, see `simd.dot4`


@jit
def note_lacks(P, slot, row, x, count):
    """The sum of |x| over the negative of int8 (count,) at an address, to int32 `slot`[row]."""
    if LACKS:
        values = numba.carray(bytes_at(x), count)
        vectors, k = splat_i32(0), 0
        while k + LANES <= count:
            vectors = vectors + magnitude_below_zero(load_i8(x, k))
            k += LANES
        total = total_i32(vectors)
        while k < count:
            total += 256 - values[k] if values[k] > 127 else 0
            k += 1
        store_integer(P[slot], row, total)


def with_lacks(P, slot, row, apart, made, rows):
    """int32 sums of rows (literal), with what lies at `slot`[row], [row + apart], and so on."""
    return raised(made, P[slot], row, apart, rows)


def whole_already(P, slot, row, apart, made, rows):
    """Sums that lack nothing."""
    return made


# ---- products of x


def among_groups(P, row, g):
    """Where a row of sums lies in (rows, GROUPS, VECTORS * LANES), C order."""
    return (row * P[GROUPS] + g) * VECTORS * LANES


def of_one_group(P, row, g):
    """Where a row of sums lies in (rows, VECTORS * LANES), C order, which each group uses anew."""
    return row * VECTORS * LANES


def as_they_are(P, sums):
    """Input terms that are the sums themselves, a tuple of VECTORS vectors."""
    return sums


def tile_at(P, rows, apart, out, out_apart, g):
    """Stores the sums of ROWS rows of x for one group.

    rows: address of the first row of WORDS words; the next begins `apart` words behind it. out: row
    of INPUT_SUMS for the first; the next is `out_apart` rows behind it. START_IH:
    (GROUPS, VECTORS * LANES); W_IH: (GROUPS, WORDS, VECTORS * LANES) words, C order.
    """
    k, at, place = P[WORDS], g * GATES * GROUP, sums_at(P, out, g)
    start = load_sums(P[START_IH], at, 0, VECTORS, ROWS)
    made = product(start, P[W_IH] + WORD_BYTES * at * k, rows, apart, k, ROWS, 0)
    made = whole(P, X_LACKS, out, out_apart, made, ROWS)
    store_rows(P[INPUT_SUMS], place, made, sums_at(P, out_apart, g) - sums_at(P, 0, g), ROWS)


def input_terms(P, rows, row, g):
    """Input terms of one group and row, formed in the step that uses them.

    rows: address of (row + 1 or more, WORDS) words; START_IH and W_IH: as `tile_at` reads them.
    """
    at, source = g * GATES * GROUP, rows + row * P[WORDS] * WORD_BYTES
    start, w = load_sums(P[START_IH], at, 0, VECTORS, 1), P[W_IH] + WORD_BYTES * at * P[WORDS]
    made = product(start, w, source, 0, P[WORDS], 1, 0)
    return rescaled(P, whole(P, X_LACKS, row, 0, made, 1))


def load_terms(P, row, g):
    """Input terms of one group that were formed ahead of the steps.

    row: of SCRATCH, (rows, GROUPS, VECTORS * LANES), C order, in the type of the terms.
    """
    return load_kept(P[SCRATCH], (row * P[GROUPS] + g) * VECTORS * LANES, 0, TERMS, 1)


# ---- products of h


def recurrent(P, terms, h, g):
    """What `finish` takes of h of one sequence, for one group: a tuple of vectors.

    terms: the group's input terms; h: address of the present h, H_WORDS words where the product
    reads it; W_HH: (GROUPS, H_WORDS, VECTORS * LANES) words, C order.
    """
    at = g * GATES * GROUP
    w, start = P[W_HH] + WORD_BYTES * at * P[H_WORDS], begin(P, terms, at, 1)
    if ASKS_AHEAD and P[PREFETCH]:
        made = product(start, w, hidden(P, h), 0, P[H_WORDS], 1, AHEAD_BYTES)
    else:
        made = product(start, w, hidden(P, h), 0, P[H_WORDS], 1, 0)
    return rescaled_h(P, whole(P, H_LACKS, 0, 0, made, 1))


def recurrent_rows(P, t, h, g):
    """Sums of h of ROWS sequences in step t of the chunk, for one group, to TILE.

    h: address of the present h of the first, H_WORDS words where the product reads it, those of the
    next `h_apart` words behind it; W_HH: (GROUPS, H_WORDS, VECTORS * LANES) words; SCRATCH: (ROWS,
    CHUNK, GROUPS, VECTORS * LANES); TILE: (ROWS, VECTORS * LANES). All C order.
    """
    at, stride = g * GATES * GROUP, P[GROUPS] * GATES * GROUP
    terms = load_kept(P[SCRATCH], t * stride + at, P[CHUNK] * stride, TERMS, ROWS)
    w, start = P[W_HH] + WORD_BYTES * at * P[H_WORDS], begin(P, terms, at, ROWS)
    made = product(start, w, hidden(P, h), h_apart(P), P[H_WORDS], ROWS, 0)
    made = whole(P, H_LACKS, 0, 1, made, ROWS)
    store_rows(P[TILE], 0, made, VECTORS * LANES, ROWS)


def made_rows(P, row, g):
    """What `finish` takes of h, from one row of TILE, (rows, VECTORS * LANES), C order."""
    return rescaled_h(P, load_sums(P[TILE], row * VECTORS * LANES, 0, VECTORS, 1))


def begin_in_memory(P, terms, at, rows):
    """Sums of h begin at constants, the same for each row: START_HH (GROUPS, VECTORS * LANES)."""
    return load_sums(P[START_HH], at, 0, VECTORS, rows)


def h_itself(P, h):
    """The product reads h where the step keeps it."""
    return h


def two_rows(P):
    """Words between the h of sequences, as the step keeps it: it is read and written in turn."""
    return 2 * P[H_BYTES] // WORD_BYTES


# ---- the last group, where one vector of units is left for it


def of_either(P, *given):
    """One of the functions above; the last of what is given is the group."""
    if given[-1] == P[HALVED]:
        return of_last(P, *given)
    return of_whole(P, *given)


# By the name that each is bound to; `Form.parts` gives what they use.
PRODUCTS = {
    "load_terms": load_terms,
    "input_terms": input_terms,
    "recurrent": recurrent,
    "made_rows": made_rows,
}
COPIED = {"input_rows": copied_rows, "input_row": copied_row, "x_words": copied_words}
OF_INTEGERS = {"whole": with_lacks if LACKS else whole_already}
OF_FLOATS = {"whole": whole_already}
