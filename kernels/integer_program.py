"""One compiled function that runs any program of integer operations over sequences.

A program is a list of rows, one operation each, on vectors that lie one after the other in
`values`. Every result is ``clip(rescale(...) + zero, low, high)``; the meaning of the rounding is
defined in edgelstm/quantization/fixedpoint.py, and tests hold both equal.
"""

import functools

import numba as nb
import numpy as np

from edgelstm.kernels.cache import OPTIONS, Kernel, digest

# Kinds of operations
AFFINE, ADD, MUL, TABLE, CLIP, COPY = range(6)
# Columns of a row. OUT, A, B: where vectors start in `values`; SIZE: elements of the result;
# COLUMNS: elements of A in an affine; WEIGHT, BIAS: where an affine's constants start; TABLE_ROW:
# which table.
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
) = range(14)
ROW_LENGTH = 14

_jit = nb.njit(**OPTIONS)
_inline = nb.njit(inline="always", **OPTIONS)


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
    elif kind == TABLE:
        for j in range(n):
            out[j] = tables[table + a[j]]
    else:  # CLIP, COPY
        for j in range(n):
            out[j] = min(max(np.int64(a[j]), low), high)


def run(rows, weights, biases, tables, values, x, y, result):
    """Runs the program over sequences, from the states in `values`, which it leaves advanced.

    rows: int64 (n, ROW_LENGTH); weights: int8 (n,), each matrix row by row; biases: int32 (n,);
    tables: int16 (n * 65536,), entry 0 of each in its middle; values: int16 (batch, n_values), x at
    its start; x: int16 (batch, steps, input_size); y: int16 (batch, steps, output_size), read off
    `values` at `result`. All C order.
    """
    batch, steps, inputs = x.shape
    outputs = y.shape[2]
    for b in range(batch):
        row_values = values[b]
        for t in range(steps):
            row_values[:inputs] = x[b, t]
            for k in range(rows.shape[0]):
                row = rows[k]
                if row[KIND] == AFFINE:
                    _affine(row, weights, biases, row_values)
                else:
                    _elementwise(row, tables, row_values)
            y[b, t] = row_values[result : result + outputs]


@functools.cache
def kernel() -> Kernel:
    """The kernel of `run`."""
    i64, i32, i16, i8 = nb.int64, nb.int32, nb.int16, nb.int8
    signature = nb.void(
        i64[:, ::1], i8[::1], i32[::1], i16[::1], i16[:, ::1], i16[:, :, ::1], i16[:, :, ::1], i64
    )
    return Kernel(run, signature, f"integer_program_{digest((), '')}")
