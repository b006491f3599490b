"""The kernels of a dense layer: rows of x to rows of y, for any sizes and any activation.

Every output is one sum of products, so the rows of a step, of a sequence and of a batch are the
same to them: `rows_at_addresses` takes them all, several at a time, so that each weight that is
read serves as many. Templates as in layer.py: a name that is None below is bound by `kernel`, to
the functions of a format in dense_forms.py. The slots of `P` are those of layer.py, where GROUPS
here counts vectors of outputs, and those of dense_forms.py.
"""

import functools
from types import FunctionType
from typing import Any

from edgelstm.kernels.cache import Kernel, Parts, digest
from edgelstm.kernels.dense_forms import TOGETHER, DenseForm
from edgelstm.kernels.layer import (
    AHEAD_BYTES,
    GROUPS,
    INPUTS,
    KEPT_ROWS,
    OUTPUTS,
    PREFETCH,
    TILE,
    W_IH,
    WORD_BYTES,
    WORDS,
    X_LACKS,
)
from edgelstm.kernels.simd.memory import store_rows
from edgelstm.kernels.simd.pointers import STAGE
from edgelstm.kernels.simd.target import ASKS_AHEAD, LANES, TILE_ROWS

# Vectors whose sums are formed together: as in a layer of four gates, and where fewer are left.
WIDE, NARROW = 8, 2

# Bound by `kernel`.
VECTORS: Any = None  # of sums that are formed together
ROWS: Any = None  # whose products are
X_BYTES: Any = None  # of one value of x
Y_BYTES: Any = None  # of one value of y
START: Any = None  # slot: where the sums begin
product: Any = None  # product_f32, or product_i8
load_sums: Any = None  # loads rows of sums
whole: Any = None  # (P, slot, row, apart, sums, rows) -> the sums, with what their products lack
input_rows: Any = None  # (P, source, n, row) -> address of n rows of x, ready for the product
finish: Any = None  # (P, sums, row, y, first, count): from the sums of a row to values of y
activate: Any = None  # (P, y, n): what `finish` left of the activation of n rows of y, in place
tile_rows: Any = None  # `tile` of TILE_ROWS rows
tile_row: Any = None  # `tile` of one
wide_outputs: Any = None  # `outputs` of WIDE vectors
narrow_outputs: Any = None  # `outputs` of NARROW
single_outputs: Any = None  # `outputs` of one


def rows_at_addresses(P, x, y, n):
    """n rows of x to n rows of y; nothing is checked.

    x: address of (n, INPUTS), y: of (n, OUTPUTS), of the format's type, C order, aligned to their
    elements. y overlaps no x, but for a lone row it may be x.
    """
    wide = P[GROUPS] // WIDE * WIDE
    narrow, start = P[GROUPS] // NARROW * NARROW, 0
    while start < n:
        count = min(KEPT_ROWS, n - start)
        rows = input_rows(P, x + start * P[INPUTS] * X_BYTES, count, 0)
        y_rows = y + start * P[OUTPUTS] * Y_BYTES
        for g in range(0, wide, WIDE):
            wide_outputs(P, rows, count, y_rows, g * LANES)
        for g in range(wide, narrow, NARROW):
            narrow_outputs(P, rows, count, y_rows, g * LANES)
        if narrow < P[GROUPS]:
            single_outputs(P, rows, count, y_rows, narrow * LANES)
        activate(P, y_rows, count)
        start += count


def every_row(P, x, y, steps, x_apart, y_apart):
    """A stage of a chain, see chain.py: every step of TOGETHER sequences.

    x: address of (TOGETHER, steps, INPUTS), y: of (TOGETHER, steps, OUTPUTS), of the format's type;
    the rows of a sequence lie close together, those of the next x_apart and y_apart bytes behind.
    """
    count = P[TOGETHER]
    x_bytes, y_bytes = steps * P[INPUTS] * X_BYTES, steps * P[OUTPUTS] * Y_BYTES
    if x_apart == x_bytes and y_apart == y_bytes:
        rows_at_addresses(P, x, y, count * steps)
    else:
        for k in range(count):
            rows_at_addresses(P, x + k * x_apart, y + k * y_apart, steps)


# ---- what they are made of


def outputs(P, rows, n, y, first):
    """VECTORS * LANES outputs, from `first` on, of n rows.

    rows: address of (n, WORDS) words, ready for the product; y: of (n, OUTPUTS). Both C order.
    """
    row = 0
    while row + TILE_ROWS <= n:
        tile_rows(P, rows, row, y, first)
        row += TILE_ROWS
    while row < n:
        tile_row(P, rows, row, y, first)
        row += 1


def tile(P, rows, row, y, first):
    """The same outputs of ROWS rows, from `row` on.

    W_IH: (outputs, WORDS) words, for each VECTORS * LANES outputs [WORDS][VECTORS][LANES]; START:
    (outputs,), in the type of the sums.
    """
    words = P[WORDS]
    w, source = P[W_IH] + WORD_BYTES * first * words, rows + row * words * WORD_BYTES
    start = load_sums(P[START], first, 0, VECTORS, ROWS)
    if ASKS_AHEAD and ROWS == 1 and P[PREFETCH]:
        made = product(start, w, source, words, words, ROWS, AHEAD_BYTES)
    else:
        made = product(start, w, source, words, words, ROWS, 0)
    made = whole(P, X_LACKS, row, 1, made, ROWS)
    store_rows(P[TILE], 0, made, VECTORS * LANES, ROWS)
    count = min(VECTORS * LANES, P[OUTPUTS] - first)
    for r in range(ROWS):
        sums = P[TILE] + r * VECTORS * LANES * WORD_BYTES
        y_row = y + ((row + r) * P[OUTPUTS] + first) * Y_BYTES
        finish(P, sums, row + r, y_row, first, count)


@functools.cache
def kernel(form: DenseForm) -> Kernel:
    """The kernel of a format: a stage of a chain, see chain.py."""
    mark = f"dense_{form.name}_{digest((), '')}"
    parts = functools.partial(bound_names, form, mark)
    return Kernel(every_row, STAGE, f"rows_{mark}", parts)


@functools.cache
def bound_names(form: DenseForm, mark: str) -> dict[str, Any]:
    """What the templates leave open; `rows_at_addresses` among them, ready to be called."""
    value_bytes = form.type.itemsize
    parts = Parts(
        mark, {"X_BYTES": value_bytes, "INPUT_BYTES": value_bytes, "Y_BYTES": value_bytes}
    )
    names = parts.names
    for name, part in form.parts.items():
        names[name] = parts.inlined(part) if isinstance(part, FunctionType) else part
    # Every tile calls the same code, of all activations: it is compiled once.
    names["finish"] = parts.called(form.parts["finish"])
    for name, vectors in (("wide", WIDE), ("narrow", NARROW), ("single", 1)):
        names["tile_row"] = parts.called(tile, VECTORS=vectors, ROWS=1)
        names["tile_rows"] = parts.called(tile, VECTORS=vectors, ROWS=TILE_ROWS)
        names[f"{name}_outputs"] = parts.called(outputs, VECTORS=vectors)
    names["rows_at_addresses"] = parts.called(rows_at_addresses)
    return names
