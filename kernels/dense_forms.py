"""What tells the formats of a dense layer apart: records, and the functions they hold.

In all of them `P` is the pointer to a kernel's int64 parameters, with slots of layer.py and below;
`sums` is the address of the sums of a row, `count` of them or whole vectors; `y` is where its
values go, `first` the number of the first.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from edgelstm.kernels import activations, hybrid, int8, packing, sums
from edgelstm.kernels.float32 import copy_row, jit
from edgelstm.kernels.int8_arithmetic import requantize
from edgelstm.kernels.layer import BIAS_IH, INPUTS, OUTPUTS, WORD_BYTES, X_ROWS
from edgelstm.kernels.simd.memory import (
    bytes_at,
    load_f32,
    load_first_f32,
    load_rows_f32,
    load_rows_i32,
    load_scalar,
    store_f32,
    store_first_f32,
    store_first_octets,
    store_octets,
)
from edgelstm.kernels.simd.products import product_f32, product_i8
from edgelstm.kernels.simd.target import LANES, PAIR
from edgelstm.kernels.simd.tuples import scaled, splat_many
from edgelstm.kernels.simd.vectors import (
    above,
    first_or,
    largest_f32,
    splat_f32,
    splat_words,
    total_f32,
)
from edgelstm.kernels.simd.words import (
    add_saturating,
    max_words,
    min_words,
    pack_saturating,
    words_to_octets,
)

(
    ACTIVATION,  # of NONE, SIGMOID, SOFTMAX, TANH, in the float formats; a relu is a limit
    LOW,  # smallest value: at int8 itself, else the address of a float32
    HIGH,  # largest value at int8
    ZERO,  # zero point of y at int8, before its table
    TABLE,  # address of int8 (256,), by the byte that is looked up; 0 without one
    TOGETHER,  # sequences that one call runs
    RESCALE,  # left shift, multiplier, right shift, half of 2^right
) = range(hybrid.N_SLOTS, hybrid.N_SLOTS + 7)
N_SLOTS = RESCALE + 4
NONE, SIGMOID, SOFTMAX, TANH = range(4)


@dataclasses.dataclass(frozen=True, eq=False)
class DenseForm:
    """A format of numbers, as the kernels of dense layers compute in it.

    Attributes:
        name: Goes into the names of kernels.
        type: Of x and y.
        per_word: Values of x in one word of a product: 1 float32, or 4 int8.
        order: See `form.Form`.
        parts: What the templates of dense.py leave open, by name.
    """

    name: str
    type: np.dtype[Any]
    per_word: int
    order: Callable[[int], NDArray[np.int64]]
    parts: dict[str, Any]


# ---- float32, and what hybrid has of it


def rows_or_copy(P, source, n, row):
    """Address of rows of x, ready: x itself, float32 (n, INPUTS), C order.

    A lone row is copied: y may lie where it does, and is written before it is read to its end.
    """
    if n > 1:
        return source
    copy_row(source, P[INPUTS], P[X_ROWS])
    return P[X_ROWS]


@jit
def store_until(y, k, v, count):
    """A float32 vector to elements k to `count` of what lies at an address."""
    if k + LANES <= count:
        store_f32(y, k, v)
    else:
        store_first_f32(y, k, v, count - k)


@jit
def load_until(y, k, count, rest):
    """Elements k to `count` of what lies at an address, float32; `rest` in the other lanes."""
    if k + LANES <= count:
        return load_f32(y, k)
    return first_or(load_first_f32(y, k, count - k), count - k, rest)


@jit
def keep(P, y, k, v, count):
    """A float32 vector, not below the limit, to elements k to `count` of y; NaN stays NaN."""
    store_until(y, k, above(splat_f32(load_scalar(P[LOW], 0)), v), count)


def finish_float32(P, sums, row, y, first, count):
    """From float32 sums."""
    for k in range(0, count, LANES):
        keep(P, y, k, load_f32(sums, k), count)


def finish_hybrid(P, sums, row, y, first, count):
    """From int32 sums of row `row`; BIAS_IH: float32 (outputs,)."""
    size = load_scalar(P[hybrid.X_SCALES], row)
    scale = splat_many(P[hybrid.WEIGHT_SCALES], 0, size, 1)
    for k in range(0, count, LANES):
        bias = load_rows_f32(P[BIAS_IH], first + k, 0, 1, 1)
        keep(P, y, k, scaled(load_rows_i32(sums, k, 0, 1, 1), scale, bias)[0], count)


def activate_reals(P, y, n):
    """The activation of n rows, float32 (n, OUTPUTS), C order, in place."""
    if P[ACTIVATION] == SIGMOID:
        sigmoids(y, n * P[OUTPUTS])
    elif P[ACTIVATION] == TANH:
        tanhs(y, n * P[OUTPUTS])
    elif P[ACTIVATION] == SOFTMAX:
        for row in range(n):
            softmax(y + row * P[OUTPUTS] * WORD_BYTES, P[OUTPUTS])


@jit
def sigmoids(v, count):
    """Of float32 (count,) at an address, in place."""
    for k in range(0, count, LANES):
        store_until(v, k, activations.sigmoid(load_until(v, k, count, 0.0)), count)


@jit
def tanhs(v, count):
    """Of float32 (count,) at an address, in place."""
    for k in range(0, count, LANES):
        store_until(v, k, activations.tanh(load_until(v, k, count, 0.0)), count)


@jit
def softmax(v, count):
    """Of float32 (count,) at an address, in place; all NaN where one value is not finite.

    What lies 87 below the largest or lower is exp(-87): 1e-38, and as a part of the sum nothing.
    """
    most = splat_f32(-np.inf)
    for k in range(0, count, LANES):
        most = above(most, load_until(v, k, count, -np.inf))
    largest, total = splat_f32(largest_f32(most)), splat_f32(0.0)
    for k in range(0, count, LANES):
        made = activations.exp(activations.clamp(load_until(v, k, count, -np.inf) - largest, 87.0))
        total = total + made
        store_until(v, k, made, count)
    total = splat_f32(total_f32(total))
    for k in range(0, count, LANES):
        store_until(v, k, load_until(v, k, count, 0.0) / total, count)


# ---- int8


def finish_int8(P, sums, row, y, first, count):
    """From int32 sums, as `fixedpoint.requantize` rounds them; see pack_dense.py for what fits."""
    zero, low, high = splat_words(P[ZERO]), splat_words(P[LOW]), splat_words(P[HIGH])
    for k in range(0, count, PAIR):
        v = load_rows_i32(sums, k, 0, 2, 1)
        made = pack_saturating(requantize(v[0], P, RESCALE), requantize(v[1], P, RESCALE))
        made = words_to_octets(min_words(max_words(add_saturating(made, zero), low), high))
        if k + PAIR <= count:
            store_octets(y, k, made)
        else:
            store_first_octets(y, k, made, count - k)


def look_up(P, y, n):
    """The table of n rows, int8 (n, OUTPUTS), C order, in place."""
    if P[TABLE] != 0:
        table = numba.carray(bytes_at(P[TABLE]), 256)
        values = numba.carray(bytes_at(y), n * P[OUTPUTS])
        for k in range(n * P[OUTPUTS]):
            values[k] = table[values[k]]


# ---- the formats

FLOAT32 = DenseForm(
    name="float32",
    type=np.dtype(np.float32),
    per_word=1,
    order=packing.natural,
    parts={
        "START": BIAS_IH,
        "product": product_f32,
        **sums.OF_FLOATS,
        "load_sums": load_rows_f32,
        "input_rows": rows_or_copy,
        "finish": finish_float32,
        "activate": activate_reals,
    },
)
HYBRID = DenseForm(
    name="hybrid",
    type=np.dtype(np.float32),
    per_word=4,
    order=packing.natural,
    parts={
        "START": hybrid.OFFSETS_IH,
        "product": product_i8,
        **sums.OF_INTEGERS,
        "load_sums": load_rows_i32,
        "read_row": hybrid.read_row,
        "input_rows": sums.copied_rows,
        "finish": finish_hybrid,
        "activate": activate_reals,
    },
)
INT8 = DenseForm(
    name="int8",
    type=np.dtype(np.int8),
    per_word=4,
    order=packing.narrowed,
    parts={
        "START": BIAS_IH,
        "product": product_i8,
        **sums.OF_INTEGERS,
        "load_sums": load_rows_i32,
        "read_row": int8.read_row,
        "input_rows": sums.copied_rows,
        "finish": finish_int8,
        "activate": look_up,
    },
)
