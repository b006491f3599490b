"""The kernel of one recurrent layer: steps and groups of units, for any cell and format.

`kernel` and `hoist` are templates: the names below that are None are bound to the functions of a
format (float32.py, hybrid.py, int8.py) and to a cell's compiled equations by build.py.
"""

from typing import Any

from edgelstm.kernels.simd.memory import address, parameters
from edgelstm.kernels.simd.target import PAIR, TILE_ROWS

# One int64 array P per sequence carries every dimension and address into the kernel. Sizes of rows
# are in words: one float32, or four int8.
(
    INPUTS,  # values of a row of x
    WORDS,  # the same in words
    HIDDEN,  # units, and values of a row of y
    GROUPS,  # of 2 * lanes units, the last one padded
    H_WORDS,  # padded units in words
    H_BYTES,  # of one row of h
    W_IH,  # weights, packed
    W_HH,
    BIAS_IH,  # packed; what the two halves of a joined gate add stands in BIAS_IH
    BIAS_HH,
    H_BUFFERS,  # h as the product reads it: two rows, read and written in turn
    FLIP,  # which of the two holds the present h
    CELL,  # the second state, padded units
    X_ROWS,  # CHUNK rows of x as the product reads them, where that is not x itself
    SCRATCH,  # input products of up to CHUNK steps
    TILE,  # the same of one group, where they are narrowed on the way to SCRATCH
    CHUNK,  # steps whose input products are formed together
    PREFETCH,  # whether weights are asked for ahead of their use
    CLIP,  # address of the float32 limit of the cell state
    OWN,  # first slot that a format uses for itself
) = range(20)
HOIST_FROM = 4  # steps from which forming input products together is worth it
AHEAD_BYTES = 1024

# Bound by build.py.
input_rows: Any = None  # (P, x, first step, steps) -> address of the rows as the product reads them
begin_step: Any = None  # (P, step of the chunk, h) -> what `sums` needs in this step
tile_rows: Any = None  # (P, rows, step, group): input products of TILE_ROWS steps
tile_row: Any = None  # (P, rows, step, group): of one
narrow_tile: Any = None  # (P, steps, group): from TILE to SCRATCH
load_terms: Any = None  # (P, step, group) -> the stored input products
input_terms: Any = None  # (P, row, group) -> the same of one step, formed now
sums: Any = None  # (P, terms, group, h, what `begin_step` gave) -> (vectors of W, vectors of U)
advance: Any = None  # (P, vectors of W and U, first unit, h, h_next, y_row): the cell
Y_BYTES: Any = None  # of one value of y
WORD_BYTES = 4


def hoist(P, rows, n):
    """Input products of n steps, TILE_ROWS steps at a time.

    P: parameters; rows: address of n rows of words.
    """
    for g in range(P[GROUPS]):
        t = 0
        while t + TILE_ROWS <= n:
            tile_rows(P, rows, t, g)
            t += TILE_ROWS
        while t < n:
            tile_row(P, rows, t, g)
            t += 1
        narrow_tile(P, n, g)


def kernel(p, x, y):
    """Runs a layer over a sequence, from the state that P points to, which it leaves advanced.

    p: int64 parameters; x: (steps * inputs,), y: (steps * hidden,), both C order, in the types of
    the format. Returns whether they fit each other; nothing is done where they do not.
    """
    P = parameters(p)
    if x.shape[0] * P[HIDDEN] != y.shape[0] * P[INPUTS]:
        return False
    steps, start, flip = 1, 0, P[FLIP]
    if x.shape[0] != P[INPUTS]:  # a division would be seen in a single step
        steps = x.shape[0] // P[INPUTS]
    groups, h_bytes = P[GROUPS], P[H_BYTES]
    while start < steps:
        n = min(P[CHUNK], steps - start)
        rows = input_rows(P, x, start, n)
        hoisted = n >= HOIST_FROM
        if hoisted:
            hoist(P, rows, n)
        for t in range(n):
            h, h_next = P[H_BUFFERS] + flip * h_bytes, P[H_BUFFERS] + (1 - flip) * h_bytes
            flip = 1 - flip
            y_row = address(y) + (start + t) * P[HIDDEN] * Y_BYTES
            given = begin_step(P, t, h)
            for k in range(groups):
                # Every other step runs backwards: what was used last is still in the inner cache.
                g = groups - 1 - k if flip else k
                if hoisted:
                    terms = load_terms(P, t, g)
                else:
                    terms = input_terms(P, rows + t * P[WORDS] * WORD_BYTES, g)
                advance(P, sums(P, terms, g, h, given), g * PAIR, h, h_next, y_row)
        start += n
    p[FLIP] = flip
    return True
