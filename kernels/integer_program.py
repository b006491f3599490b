"""One compiled function that runs any program of integer operations over sequences.

A program is a list of rows, one operation each, on vectors that lie one after the other in
`values`. Every result is ``clip(rescale(...) + zero, low, high)``; the meaning of the rounding is
defined in edgelstm/quantization/fixedpoint.py, and tests hold both equal.
"""

import functools

import numba
import numpy as np

from edgelstm.kernels.cache import OPTIONS, Kernel, digest
from edgelstm.kernels.simd.pointers import STAGE, i8_at, i16_at, i32_at, i64_at

# Kinds of operations
AFFINE, AFFINE_WIDE, ADD, SUM, MUL, RESCALE, TABLE, CLIP, COPY = range(9)
# Columns of a row. OUT, A, B: where vectors start in `values`; SIZE: elements of the result;
# COLUMNS: elements of A in an affine; WEIGHT, BIAS: where an affine's constants start; TABLE_ROW:
# which table; A_MULTIPLIER, A_SHIFT, B_MULTIPLIER, B_SHIFT: of the two arguments of a SUM.
(
    KIND,
    OUT,
    A,
    B,
    SIZE,
    COLUMNS,
    WEIGHT,
    BIAS,
    TABLE_ROW,
    MULTIPLIER,
    SHIFT,
    ZERO,
    LOW,
    HIGH,
    A_MULTIPLIER,
    A_SHIFT,
    B_MULTIPLIER,
    B_SHIFT,
) = range(18)
ROW_LENGTH = 18
HEADROOM = 15  # bits by which the arguments of a SUM are raised
BLOCK = 256  # products of int16 and int8 that an int32 holds the sum of
# Slots of the parameters: arrays, each an address and behind it how many elements, then numbers.
ROWS, WEIGHTS, BIASES, WIDE_BIASES, TABLES, VALUES = range(0, 12, 2)
INPUTS, OUTPUTS, RESULT, X_IS_WIDE, Y_IS_WIDE, N_SLOTS = range(12, 18)

_jit = numba.njit(**OPTIONS)
_inline = numba.njit(inline="always", **OPTIONS)


@_inline
def _rescale(x, multiplier, shift):
    """x * multiplier * 2^(shift - 31), int64, rounded twice; shift > 0 is to the left."""
    left, right = max(shift, 0), max(-shift, 0)
    high = ((x << left) * multiplier + (1 << 30)) >> 31
    half = (1 << right) >> 1
    return (high + half - (1 if high < 0 and right > 0 else 0)) >> right


@_jit
def _affine(row, weights, biases, values):
    """One row of products.

    row: int64 (ROW_LENGTH,); weights: int8, biases: int32, values: int16, each (n,), C order.
    """
    n, columns, zero, low, high = row[SIZE], row[COLUMNS], row[ZERO], row[LOW], row[HIGH]
    multiplier, shift = row[MULTIPLIER], row[SHIFT]
    v = values[row[A] : row[A] + columns]
    out = values[row[OUT] : row[OUT] + n]
    for j in range(n):
        start = row[WEIGHT] + j * columns
        w = weights[start : start + columns]
        acc = biases[row[BIAS] + j]
        for k in range(columns):
            acc = np.int32(acc + np.int32(w[k]) * np.int32(v[k]))
        out[j] = min(max(_rescale(np.int64(acc), multiplier, shift) + zero, low), high)


@_jit
def _affine_wide(row, weights, biases, values):
    """One row of products whose sums are int64, rescaled by a multiplier of 16 bits at once.

    row: int64 (ROW_LENGTH,); weights: int8, biases: int64, values: int16, each (n,), C order.
    """
    n, columns, zero, low, high = row[SIZE], row[COLUMNS], row[ZERO], row[LOW], row[HIGH]
    multiplier, shift = row[MULTIPLIER], 15 - row[SHIFT]
    v = values[row[A] : row[A] + columns]
    out = values[row[OUT] : row[OUT] + n]
    for j in range(n):
        start = row[WEIGHT] + j * columns
        acc = biases[row[BIAS] + j]
        for first in range(0, columns, BLOCK):
            last = min(first + BLOCK, columns)
            w, part, block = weights[start + first : start + last], np.int32(0), v[first:last]
            for k in range(last - first):
                part = np.int32(part + np.int32(w[k]) * np.int32(block[k]))
            acc += part
        made = (acc * multiplier + (np.int64(1) << (shift - 1))) >> shift
        out[j] = min(max(made + zero, low), high)


@_jit
def _elementwise(row, tables, values):
    """One row of any other kind.

    row: int64 (ROW_LENGTH,); tables: int16 (n * 65536,); values: int16 (n,). All C order.
    """
    kind, n, zero, low, high = row[KIND], row[SIZE], row[ZERO], row[LOW], row[HIGH]
    multiplier, shift, table = row[MULTIPLIER], row[SHIFT], row[TABLE_ROW] * 65536 + 32768
    a, b = values[row[A] : row[A] + n], values[row[B] : row[B] + n]
    out = values[row[OUT] : row[OUT] + n]
    if kind == ADD:
        for j in range(n):
            out[j] = min(max(np.int64(a[j]) + b[j], low), high)
    elif kind == MUL:
        for j in range(n):
            v = _rescale(np.int64(a[j]) * np.int64(b[j]), multiplier, shift) + zero
            out[j] = min(max(v, low), high)
    elif kind == SUM:
        for j in range(n):
            left = _rescale(np.int64(a[j]) << HEADROOM, row[A_MULTIPLIER], row[A_SHIFT])
            right = _rescale(np.int64(b[j]) << HEADROOM, abs(row[B_MULTIPLIER]), row[B_SHIFT])
            total = left + right if row[B_MULTIPLIER] > 0 else left - right
            out[j] = min(max(_rescale(total, multiplier, shift) + zero, low), high)
    elif kind == RESCALE:
        for j in range(n):
            out[j] = min(max(_rescale(np.int64(a[j]), multiplier, shift) + zero, low), high)
    elif kind == TABLE:
        for j in range(n):
            out[j] = tables[table + a[j]]
    else:  # CLIP, COPY
        for j in range(n):
            out[j] = min(max(np.int64(a[j]), low), high)


def run(P, x, y, steps, x_apart, y_apart):
    """Runs the program over a sequence, from the states in `values`, which it leaves advanced.

    x, y: addresses of (steps, INPUTS) and (steps, OUTPUTS), C order, int8 unless X_IS_WIDE and
    Y_IS_WIDE say int16. What the slots of P say: rows: int64 (N_ROWS, ROW_LENGTH); weights: int8,
    each matrix row by row; biases: int32; wide_biases: int64; tables: int16 (n * 65536,), entry 0
    of each in its middle; values: int16, x at its start and y at RESULT.
    """
    rows = numba.carray(i64_at(P[ROWS]), P[ROWS + 1]).reshape(-1, ROW_LENGTH)
    weights = numba.carray(i8_at(P[WEIGHTS]), P[WEIGHTS + 1])
    biases = numba.carray(i32_at(P[BIASES]), P[BIASES + 1])
    wide_biases = numba.carray(i64_at(P[WIDE_BIASES]), P[WIDE_BIASES + 1])
    tables = numba.carray(i16_at(P[TABLES]), P[TABLES + 1])
    values = numba.carray(i16_at(P[VALUES]), P[VALUES + 1])
    inputs, outputs, result = P[INPUTS], P[OUTPUTS], P[RESULT]
    x_rows = numba.carray(i8_at(x), steps * inputs)
    y_rows = numba.carray(i8_at(y), steps * outputs)
    wide_x, wide_y = (
        numba.carray(i16_at(x), steps * inputs),
        numba.carray(i16_at(y), steps * outputs),
    )
    for t in range(steps):
        if P[X_IS_WIDE]:
            values[:inputs] = wide_x[t * inputs : (t + 1) * inputs]
        else:
            values[:inputs] = x_rows[t * inputs : (t + 1) * inputs]
        for k in range(rows.shape[0]):
            row = rows[k]
            if row[KIND] == AFFINE:
                _affine(row, weights, biases, values)
            elif row[KIND] == AFFINE_WIDE:
                _affine_wide(row, weights, wide_biases, values)
            else:
                _elementwise(row, tables, values)
        for k in range(outputs):
            if P[Y_IS_WIDE]:
                wide_y[t * outputs + k] = values[result + k]
            else:
                y_rows[t * outputs + k] = np.int8(values[result + k])


@functools.cache
def kernel() -> Kernel:
    """The kernel of `run`."""
    return Kernel(run, STAGE, f"integer_program_{digest((), '')}")
