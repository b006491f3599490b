"""The kernels of one recurrent layer: steps and groups of units, for any cell and format.

`sequences` runs one sequence, or several side by side, so that each weight that is read serves all
of them; `one_step` runs a single step. All give the same bits, and are stages of a chain, see
chain.py. They are templates: the names below that are None are bound to the functions of a format
(sums.py, float32.py, hybrid.py, int8.py) and to a cell's compiled equations by bind.py.

In all of them `P` is the pointer to a kernel's int64 parameters, whose slots stand below; other
arguments are int64, most of them addresses. Unless it is said otherwise, `rows` is the address of
rows of WORDS words, ready for the product; `h` and `h_next` are those of H_BYTES, h read and
written in a step; `y_row` is that of OUTPUTS values of y; `t` is a step of a chunk, by its place.
"""

from typing import Any

import numba
import numpy as np

from edgelstm.kernels.simd.memory import bytes_at
from edgelstm.kernels.simd.options import INLINED
from edgelstm.kernels.simd.pointers import i64_at
from edgelstm.kernels.simd.target import TILE_ROWS
from edgelstm.kernels.team import MEMBERS, NUMBER, meet

# One int64 array P carries every dimension and address into the kernel. Sizes of rows are in words:
# one float32, or four int8. Of sequences side by side, the addresses are those of the first.
(
    INPUTS,  # values of a row of x
    WORDS,  # the same in words
    OUTPUTS,  # values of a row of y, that are those of this layer
    Y_ROW_BYTES,  # from a row of y to the next
    REVERSED,  # whether the last step is the first one
    ANEW,  # whether each call begins where states do
    H_START,  # byte of which h is made where it begins
    AT_ONCE,  # sequences that one call runs
    UNITS,  # of the cell
    GROUPS,  # of GROUP units, the last one padded
    H_WORDS,  # of h, as many as its products have
    H_BYTES,  # of one row of h, padded
    C_BYTES,  # of one row of the second state
    W_IH,  # weights, packed
    W_HH,
    BIAS_IH,  # packed; what the two halves of a joined gate add stands in BIAS_IH
    BIAS_HH,
    H_BUFFERS,  # h as the product reads it: two rows, read and written in turn
    FLIP,  # which of the two holds the present h
    CELL,  # the second state, padded units
    X_ROWS,  # rows of x as the product reads them, where that is not x itself
    SCRATCH,  # input products of up to CHUNK steps of each sequence
    TILE,  # sums of one group, on their way
    CHUNK,  # steps whose input products are formed together
    PREFETCH,  # whether weights are asked for ahead of their use, where there is code for it
    CLIP,  # address of the float32 limit of the cell state
    PEEPHOLES,  # float32 weights, padded units per gate
    X_LACKS,  # int32 (KEPT_ROWS,): what the int8 products of each row of x lack, see sums.py
    H_LACKS,  # int32 (TILE_ROWS,): what those of h do
    HALVED,  # the last group, if it is of one vector of units while the others are of two; else -1
    FIRST_GROUP,  # that this thread computes, which is all of them but in a team
    END_GROUP,
    MEMBER,  # address of the thread's row in its team, see team.py
    HOME,  # address of the parameters that hold FLIP from call to call
    OWN,  # first slot that a format uses for itself
) = range(35)
KEPT_ROWS = 24  # of input products, ahead of the steps that use them: CHUNK times sequences
AHEAD_BYTES = 1024
WORD_BYTES = 4
jit = numba.njit(**INLINED)

# Bound by bind.py.
GROUP: Any = None  # units that are computed at once
HOIST_FROM: Any = None  # steps from which forming input products together is worth it
ROWS: Any = None  # sequences side by side
INPUT_BYTES: Any = None  # of one value of x
input_rows: Any = None  # (P, source, steps, row) -> address of rows of x, ready for the product
input_row: Any = None  # (P, source) -> address of a lone row, ready; y may overwrite the source
x_words: Any = None  # (P, apart) -> words from a sequence's first row to the next sequence's
tile_rows: Any = None  # (P, rows, words apart, out, rows apart, group): products of TILE_ROWS rows
tile_row: Any = None  # (P, rows, words apart, out, rows apart, group): of one
narrow_tile: Any = None  # (P, first, steps, group): from TILE to SCRATCH
load_terms: Any = None  # (P, row, group) -> the stored input products
input_terms: Any = None  # (P, rows, row, group) -> those of one row, not stored
prepare: Any = None  # (P, h, row): makes h ready for its product
given_in: Any = None  # (P, step, row) -> what `finish` needs in this step
recurrent: Any = None  # (P, terms, h, group) -> products of h of one sequence
recurrent_rows: Any = None  # (P, step, h, group): of ROWS sequences, to TILE
made_rows: Any = None  # (P, row, group) -> those of one sequence
finish: Any = None  # (P, terms, made, group, given) -> (vectors of W, vectors of U)
advance: Any = None  # (P, vectors of W and U, first unit, h, h_next, y_row, c_row): the cell
step_once: Any = None  # (P, rows, t, hoisted, h, h_next, y_row, backwards): step of a sequence
inputs: Any = None  # (P, x, apart, n) -> rows: what a chunk of n steps reads of x
step_all: Any = None  # (P, rows, t, n, h, h_next, y_row, apart, backwards): step of all sequences
enter: Any = None  # (P): before the steps of `sequences`
leave: Any = None  # (P): behind them


def hoist(P, rows, n):
    """Input products of n steps of one sequence, ahead of the steps, TILE_ROWS at a time.

    rows: address of (n, WORDS) words, C order. The products go to SCRATCH.
    """
    for g in range(P[FIRST_GROUP], P[END_GROUP]):
        t = 0
        while t + TILE_ROWS <= n:
            tile_rows(P, rows + t * P[WORDS] * WORD_BYTES, P[WORDS], t, 1, g)
            t += TILE_ROWS
        while t < n:
            tile_row(P, rows + t * P[WORDS] * WORD_BYTES, P[WORDS], t, 1, g)
            t += 1
        narrow_tile(P, 0, n, g)


def hoist_side_by_side(P, rows, apart, n):
    """Input products of n steps of ROWS sequences.

    rows: address of (n, WORDS) words, C order, of the first sequence; those of the next begin
    `apart` words behind them. The products go to SCRATCH, CHUNK rows per sequence.
    """
    for g in range(P[GROUPS]):
        for t in range(n):
            tile_rows(P, rows + t * P[WORDS] * WORD_BYTES, apart, t, P[CHUNK], g)
        for r in range(ROWS):
            narrow_tile(P, r * P[CHUNK], n, g)


def step_of_groups(P, rows, t, hoisted, h, h_next, y_row, backwards):
    """One step of one sequence: each group of units is computed whole.

    hoisted: whether its input products are in SCRATCH; backwards: from the last group to the first.
    """
    prepare(P, h, 0)
    given, first, end = given_in(P, t, 0), P[FIRST_GROUP], P[END_GROUP]
    for k in range(end - first):
        g = end - 1 - k if backwards else first + k
        terms = load_terms(P, t, g) if hoisted else input_terms(P, rows, t, g)
        both = finish(P, terms, recurrent(P, terms, h, g), g, given)
        advance(P, both, g * GROUP, h, h_next, y_row, P[CELL])


@jit
def _fill(at, count, byte):
    """Writes the same byte to all of uint8 (count,), C order, at an address."""
    values = bytes_at(at)
    for k in range(count):
        values[k] = np.uint8(byte)


@jit
def _begin_anew(P):
    """Every state to where it begins: h to bytes of H_START, the second state to 0."""
    _fill(P[H_BUFFERS], P[AT_ONCE] * 2 * P[H_BYTES], P[H_START])
    _fill(P[CELL], P[AT_ONCE] * P[C_BYTES], 0)


def sequences(P, x, y, steps, x_apart, y_apart):
    """Runs a layer over sequences, from the states that P points to, which it leaves advanced.

    x: address of (steps, INPUTS) of the format's type, C order, y: of (steps, OUTPUTS) with rows
    Y_ROW_BYTES apart; of the first sequence, those of the next begin x_apart and y_apart bytes
    behind them.
    """
    enter(P)
    x_bytes, y_bytes, h_bytes = P[INPUTS] * INPUT_BYTES, P[Y_ROW_BYTES], P[H_BYTES]
    start, flip = 0, P[FLIP]
    while start < steps:
        n = min(P[CHUNK], steps - start)
        first = steps - start - n if P[REVERSED] else start
        rows = inputs(P, x + first * x_bytes, x_apart, n)
        for k in range(n):
            t = n - 1 - k if P[REVERSED] else k
            h, h_next = P[H_BUFFERS] + flip * h_bytes, P[H_BUFFERS] + (1 - flip) * h_bytes
            flip = 1 - flip
            # Every other step runs backwards: what was used last is still in the inner cache.
            y_row = y + (first + t) * y_bytes
            step_all(P, rows, t, n, h, h_next, y_row, y_apart, flip)
        start += n
    P[FLIP] = flip
    leave(P)


def one_step(P, x, y, steps, x_apart, y_apart):
    """Runs a layer over one step of one sequence, from and to the states that P points to.

    x, y: addresses of (INPUTS,) and (OUTPUTS,) of the format's type; y may lie where x does.
    """
    rows, flip = input_row(P, x), P[FLIP]
    hoisted = HOIST_FROM == 1
    if hoisted:
        hoist(P, rows, 1)
    h, h_next = P[H_BUFFERS] + flip * P[H_BYTES], P[H_BUFFERS] + (1 - flip) * P[H_BYTES]
    P[FLIP] = 1 - flip
    step_once(P, rows, 0, hoisted, h, h_next, y, 1 - flip)


# ---- `sequences` of one


def inputs_of_one(P, x, apart, n):
    """Rows of n steps, ready; their products are formed ahead where the steps are enough.

    x: address of (n, INPUTS) of the format's type, C order.
    """
    rows = input_rows(P, x, n, 0)
    if n >= HOIST_FROM:
        hoist(P, rows, n)
    return rows


def step_of_one(P, rows, t, n, h, h_next, y_row, apart, backwards):
    """One step of one sequence, in a chunk of n."""
    step_once(P, rows, t, n >= HOIST_FROM, h, h_next, y_row, backwards)


def enter_alone(P):
    """The states, if a call begins anew."""
    if P[ANEW]:
        _begin_anew(P)


def leave_alone(P):
    """Nothing."""


# ---- `sequences` of one, whose groups the members of a team share


def enter_team(P):
    """The member's groups, and where h stands at HOME; the states, if a call begins anew."""
    own, home = i64_at(P[MEMBER]), i64_at(P[HOME])
    P[FIRST_GROUP] = P[GROUPS] * own[NUMBER] // own[MEMBERS]
    P[END_GROUP] = P[GROUPS] * (own[NUMBER] + 1) // own[MEMBERS]
    P[FLIP] = home[FLIP]
    if P[ANEW]:
        if own[NUMBER] == 0:
            _begin_anew(P)
        meet(P[MEMBER])


def step_of_team(P, rows, t, n, h, h_next, y_row, apart, backwards):
    """A member's groups of one step, in a chunk of n; it ends when those of all are there."""
    step_once(P, rows, t, n >= HOIST_FROM, h, h_next, y_row, backwards)
    meet(P[MEMBER])


def leave_team(P):
    """Where h stands now, to HOME; nobody goes on before it is there."""
    if i64_at(P[MEMBER])[NUMBER] == 0:
        i64_at(P[HOME])[FLIP] = P[FLIP]
    meet(P[MEMBER])


# ---- `sequences` of ROWS side by side


def inputs_side_by_side(P, x, apart, n):
    """Rows of n steps of ROWS sequences, ready, and their products, formed ahead.

    x: address of (n, INPUTS) of the format's type, C order, of the first sequence; those of the
    next begin `apart` bytes behind it. Returns the address of the first sequence's rows.
    """
    rows = input_rows(P, x, n, 0)
    for r in range(1, ROWS):
        input_rows(P, x + r * apart, n, r * P[CHUNK])
    hoist_side_by_side(P, rows, x_words(P, apart), n)
    return rows


def step_side_by_side(P, rows, t, n, h, h_next, y_row, apart, backwards):
    """One step of ROWS sequences: the products together, then each one's cell.

    h, h_next, y_row: of the first; the h of the next lies 2 * H_BYTES behind it, its y_row `apart`
    bytes.
    """
    h_bytes, groups = 2 * P[H_BYTES], P[GROUPS]
    for r in range(ROWS):
        prepare(P, h + r * h_bytes, r)
    for k in range(groups):
        g = groups - 1 - k if backwards else k
        recurrent_rows(P, t, h, g)
        for r in range(ROWS):
            row = r * P[CHUNK] + t
            both = finish(P, load_terms(P, row, g), made_rows(P, r, g), g, given_in(P, row, r))
            h_r, h_next_r = h + r * h_bytes, h_next + r * h_bytes
            y_r, c_r = y_row + r * apart, P[CELL] + r * P[C_BYTES]
            advance(P, both, g * GROUP, h_r, h_next_r, y_r, c_r)
