"""What tells the formats of a dense layer apart: records, and the functions they hold.

In all of them `P` is the pointer to a kernel's int64 parameters, with slots of layer.py and below;
`sums` is the address of the sums of a row, `count` of them or whole vectors; `y` is where its
values go, `first` the number of the first.
"""

import dataclasses
from typing import Any

import numba
import numpy as np

from edgelstm.kernels import activations, hybrid, int8, sums
from edgelstm.kernels.float32 import copy_row, jit
from edgelstm.kernels.int8_arithmetic import requantize_by
from edgelstm.kernels.layer import BIAS_IH, GROUPS, INPUTS, OUTPUTS, WORD_BYTES, X_ROWS
from edgelstm.kernels.simd.memory import (
    bytes_at,
    load_f32,
    load_first_f32,
    load_rows_f32,
    load_rows_i32,
    load_scalar,
    store_f32,
    store_first_f32,
    store_first_i8,
    store_i8,
)
from edgelstm.kernels.simd.products import product_f32, product_i8
from edgelstm.kernels.simd.target import LANES
from edgelstm.kernels.simd.tuples import scaled
from edgelstm.kernels.simd.vectors import (
    above,
    first_or,
    i32_to_i8_saturating,
    largest_f32,
    max_i8,
    min_i8,
    splat_f32,
    splat_i8,
    total_f32,
)

(
    ACTIVATION,  # of those below, in the float formats; a relu is a limit
    LATER,  # whether a softmax waits for finished rows: one of more outputs than a vector holds
    LOW,  # smallest value: at int8 itself, else the address of a float32
    HIGH,  # largest value at int8
    ZERO,  # zero point of y at int8, before its table
    TABLE,  # address of int8 (256,), by the byte that is looked up; 0 without one
    TOGETHER,  # sequences that one call runs
    RESCALE,  # left shift, multiplier, right shift, half of 2^right
) = range(hybrid.N_SLOTS, hybrid.N_SLOTS + 8)
N_SLOTS = RESCALE + 4
NONE, SIGMOID, SOFTMAX, TANH = range(4)

# Bound by dense.py.
step_size: Any = None  # (P, row) -> what one in the sums of a row stands for
real: Any = None  # (P, sums, first, k, size) -> the real values of the vector from sum k on


@dataclasses.dataclass(frozen=True, eq=False)
class DenseForm:
    """A format of numbers, as the kernels of dense layers compute in it.

    Attributes:
        name: Goes into the names of kernels.
        type: Of x and y.
        per_word: Values of x in one word of a product: 1 float32, or 4 int8.
        parts: What the templates of dense.py leave open, by name.
    """

    name: str
    type: np.dtype[Any]
    per_word: int
    parts: dict[str, Any]


# ---- float32, and what hybrid has of it


def rows_or_copy(P, source, n, row):
    """Address of rows of x, ready: x itself, float32 (n, INPUTS), C order.

    A lone row is copied: y may lie where it does, and is written before it is read to its end,
    unless all of y is one vector.
    """
    if n > 1 or P[GROUPS] == 1:
        return source
    copy_row(source, P[INPUTS], P[X_ROWS])
    return P[X_ROWS]


def _until(store: Any, store_first: Any) -> Any:
    """Jitted: a vector v to elements k to `count` of what lies at an address."""

    @jit
    def store_until(y, k, v, count):
        if k + LANES <= count:
            store(y, k, v)
        else:
            store_first(y, k, v, count - k)

    return store_until


store_until = _until(store_f32, store_first_f32)
store_i8_until = _until(store_i8, store_first_i8)


@jit
def load_until(y, k, count, rest):
    """Elements k to `count` of what lies at an address, float32; `rest` in the other lanes."""
    if k + LANES <= count:
        return load_f32(y, k)
    return first_or(load_first_f32(y, k, count - k), count - k, rest)


def finish_reals(P, sums, row, y, first, count):
    """From sums of row `row`: what they stand for, activated; what is not a number stays so."""
    size = step_size(P, row)
    if P[ACTIVATION] == NONE:
        low = splat_f32(load_scalar(P[LOW], 0))
        for k in range(0, count, LANES):
            store_until(y, k, above(low, real(P, sums, first, k, size)), count)
    else:
        for k in range(0, count, LANES):
            store_until(y, k, activated(P, real(P, sums, first, k, size), count), count)


def no_size(P, row):
    """0: float32 sums are what they stand for."""
    return 0


def real_itself(P, sums, first, k, size):
    """A vector of float32 sums."""
    return load_f32(sums, k)


def size_of_row(P, row):
    """Step size of row `row` of the rounded x, times that of the weights."""
    return load_scalar(P[hybrid.X_SCALES], row) * load_scalar(P[hybrid.WEIGHT_SCALES], 0)


def real_of_integers(P, sums, first, k, size):
    """A vector of int32 sums, times the size of a step; BIAS_IH: float32 (outputs,)."""
    bias = load_rows_f32(P[BIAS_IH], first + k, 0, 1, 1)
    return scaled(load_rows_i32(sums, k, 0, 1, 1), (splat_f32(size),), bias)[0]


@jit
def activated(P, v, count):
    """The activation of a float32 vector of outputs; count: of all of them, see LATER."""
    if P[ACTIVATION] == SIGMOID:
        return activations.sigmoid(v)
    if P[ACTIVATION] == TANH:
        return activations.tanh(v)
    return softmax_of_one(v, count)


@jit
def softmax_of_one(v, count):
    """Of the first `count` lanes of a float32 vector; all NaN where one of them is not finite."""
    x = first_or(v, count, -np.inf)
    made = activations.exp(activations.clamp(x - splat_f32(largest_f32(x)), 87.0))
    made = first_or(made, count, 0.0)  # a part of what is that small would be subnormal, and slow
    return made / splat_f32(total_f32(made))


def activate_rows(P, y, n):
    """What is left of the activation of n rows, float32 (n, OUTPUTS), C order, in place."""
    if P[LATER]:
        for row in range(n):
            softmax(y + row * P[OUTPUTS] * WORD_BYTES, P[OUTPUTS])


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
    zero, low, high = P[ZERO], splat_i8(P[LOW]), splat_i8(P[HIGH])
    numbers = P[RESCALE], P[RESCALE + 1], P[RESCALE + 2], P[RESCALE + 3]
    for k in range(0, count, LANES):
        made = requantize_by(load_rows_i32(sums, k, 0, 1, 1)[0], numbers)
        made = i32_to_i8_saturating(made + zero)
        store_i8_until(y, k, min_i8(max_i8(made, low), high), count)


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
    parts={
        "START": BIAS_IH,
        "product": product_f32,
        **sums.OF_FLOATS,
        "load_sums": load_rows_f32,
        "input_rows": rows_or_copy,
        "step_size": no_size,
        "real": real_itself,
        "finish": finish_reals,
        "activate": activate_rows,
    },
)
HYBRID = DenseForm(
    name="hybrid",
    type=np.dtype(np.float32),
    per_word=4,
    parts={
        "START": hybrid.OFFSETS_IH,
        "product": product_i8,
        **sums.OF_INTEGERS,
        "load_sums": load_rows_i32,
        "read_row": hybrid.read_row,
        "input_rows": sums.copied_rows,
        "step_size": size_of_row,
        "real": real_of_integers,
        "finish": finish_reals,
        "activate": activate_rows,
    },
)
INT8 = DenseForm(
    name="int8",
    type=np.dtype(np.int8),
    per_word=4,
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
