"""One compiled function that runs any program of integer operations over sequences.

A program is a list of rows, one operation each, on vectors that lie one after the other in
`values`. Every result is ``clip(rescale(...) + zero, low, high)``; the meaning of the rounding is
defined in edgelstm/quantization/fixedpoint.py, and tests hold both equal.
"""

import functools

import numba
import numpy as np

from edgelstm.kernels.cache import Kernel, digest
from edgelstm.kernels.simd.options import INSIDE, OPTIONS
from edgelstm.kernels.simd.pointers import STAGE, i8_at, i16_at, i32_at, i64_at

# Kinds of operations
AFFINE, AFFINE_SHORT, AFFINE_WIDE, ADD, SUM, MUL, RESCALE, TABLE, MAXIMUM, CLIP, COPY = range(11)
# Columns of a row. OUT, A, B: where vectors start in `values`; SIZE: elements of the result;
# COLUMNS: elements of A in an affine; WEIGHT, BIAS: where an affine's constants start; TABLE_ROW:
# which table; SUMS: where an affine sums; A_MULTIPLIER, A_SHIFT, B_MULTIPLIER, B_SHIFT: of the two
# arguments of a SUM.
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
    SUMS,
) = range(19)
ROW_LENGTH = 19
SUM_PLACES = 6  # int16 of `values` in which a row of an affine sums: an int64 and an int32
HALF = 1 << 30  # the multiplier of a power of two
MOST_RIGHT = -30  # shift of 32 bits
HEADROOM = 15  # bits by which the arguments of a SUM are raised
BLOCK = 256  # products of int16 and int8 that an int32 holds the sum of
# Slots of the parameters: arrays, each an address and behind it how many elements, then numbers.
ROWS, WEIGHTS, BIASES, WIDE_BIASES, TABLES, VALUES = range(0, 12, 2)
INPUTS, OUTPUTS, RESULT, START, Y_ROW, REVERSED, ANEW, X_IS_WIDE, Y_IS_WIDE, N_SLOTS = range(12, 22)

_jit = numba.njit(**OPTIONS, **INSIDE)
_inline = numba.njit(inline="always", **OPTIONS)


@_inline
def _rescale(x, multiplier, shift):
    """x * multiplier * 2^(shift - 31), int64, rounded twice; shift > 0 is to the left."""
    left, right = max(shift, 0), max(-shift, 0)
    high = ((x << left) * multiplier + (1 << 30)) >> 31
    half = (1 << right) >> 1
    return (high + half - (1 if high < 0 and right > 0 else 0)) >> right


@_inline
def _halve(x, right):
    """`_rescale` of an int32 x by 2^(-1 - right), |x| <= 2^30: 32 bits, so twice as many lanes."""
    high, half = (x + np.int32(1)) >> np.int32(1), np.int32((1 << right) >> 1)
    negative = np.int32(1) if high < 0 and right > 0 else np.int32(0)
    return np.int32(high + half - negative) >> np.int32(right)


@_inline
def _vector(base, place, n):
    """int16 (n,) at a place of `values`; base: their address. Without the checks of a slice."""
    return numba.carray(i16_at(base + 2 * place), n)


@_inline
def _add_products(sums, weights, values, first, last):
    """Adds columns `first` to `last` of a matrix times a vector.

    Args:
        sums: int32 (rows,).
        weights: Address of int8, column by column, so that lanes are rows.
        values: int16, the vector.
        first, last: Columns.
    """
    n, k = len(sums), first
    while k + 4 <= last:
        s0, s1 = np.int32(values[k]), np.int32(values[k + 1])
        s2, s3 = np.int32(values[k + 2]), np.int32(values[k + 3])
        at = weights + k * n
        w0, w1 = numba.carray(i8_at(at), n), numba.carray(i8_at(at + n), n)
        w2, w3 = numba.carray(i8_at(at + 2 * n), n), numba.carray(i8_at(at + 3 * n), n)
        for j in range(n):
            two = np.int32(np.int32(w0[j]) * s0 + np.int32(w1[j]) * s1)
            sums[j] += np.int32(two + np.int32(np.int32(w2[j]) * s2 + np.int32(w3[j]) * s3))
        k += 4
    while k < last:
        s0, w0 = np.int32(values[k]), numba.carray(i8_at(weights + k * n), n)
        for j in range(n):
            sums[j] += np.int32(w0[j]) * s0
        k += 1


@_inline
def _begun(row, biases, sums):
    """Biases of a row as its sums; biases: array of their own type."""
    start = row[BIAS]
    for j in range(len(sums)):
        sums[j] = biases[start + j]


@_jit
def _affine(row, weights, biases, base, sums):
    """One row of products.

    row: int64 (ROW_LENGTH,); weights: address of the matrix; biases: int32 (n,); base: address of
    `values`; sums: int32 (SIZE,).
    """
    n, zero, low, high = row[SIZE], row[ZERO], row[LOW], row[HIGH]
    multiplier, shift = row[MULTIPLIER], row[SHIFT]
    out, v = _vector(base, row[OUT], n), _vector(base, row[A], row[COLUMNS])
    _begun(row, biases, sums)
    _add_products(sums, weights, v, 0, row[COLUMNS])
    for j in range(n):
        out[j] = min(max(_rescale(np.int64(sums[j]), multiplier, shift) + zero, low), high)


@_jit
def _affine_short(row, weights, biases, base, sums):
    """The same with a multiplier of 16 bits, and sums that never leave 32."""
    n, zero, low, high = row[SIZE], row[ZERO], row[LOW], row[HIGH]
    multiplier, shift = np.int32(row[MULTIPLIER]), 15 - row[SHIFT]
    half = np.int64(1) << (shift - 1)
    out, v = _vector(base, row[OUT], n), _vector(base, row[A], row[COLUMNS])
    _begun(row, biases, sums)
    _add_products(sums, weights, v, 0, row[COLUMNS])
    for j in range(n):
        made = (np.int64(sums[j]) * np.int64(multiplier) + half) >> shift
        out[j] = min(max(made + zero, low), high)


@_jit
def _affine_wide(row, weights, biases, base, sums, totals):
    """The same with sums of 64 bits; biases, totals: int64, (n,) and (SIZE,)."""
    n, columns, zero, low, high = row[SIZE], row[COLUMNS], row[ZERO], row[LOW], row[HIGH]
    multiplier, shift = row[MULTIPLIER], 15 - row[SHIFT]
    half = np.int64(1) << (shift - 1)
    out, v = _vector(base, row[OUT], n), _vector(base, row[A], columns)
    _begun(row, biases, totals)
    for first in range(0, columns, BLOCK):
        sums[:] = 0
        _add_products(sums, weights, v, first, min(first + BLOCK, columns))
        for j in range(n):
            totals[j] += sums[j]
    for j in range(n):
        out[j] = min(max(((totals[j] * multiplier + half) >> shift) + zero, low), high)


@_inline
def _halves(multiplier, shift):
    """Whether `_halve` rescales by this."""
    return abs(multiplier) == HALF and MOST_RIGHT <= shift <= 0


@_jit
def _elementwise(row, tables, base):
    """One row of any other kind.

    row: int64 (ROW_LENGTH,); tables: int16 (n * 65536,), C order; base: address of `values`.
    """
    kind, n, zero, low, high = row[KIND], row[SIZE], row[ZERO], row[LOW], row[HIGH]
    multiplier, shift, table = row[MULTIPLIER], row[SHIFT], row[TABLE_ROW] * 65536 + 32768
    a, b, out = _vector(base, row[A], n), _vector(base, row[B], n), _vector(base, row[OUT], n)
    if kind == ADD:
        for j in range(n):
            out[j] = min(max(np.int64(a[j]) + b[j], low), high)
    elif kind == MUL and _halves(multiplier, shift) and zero == 0:
        for j in range(n):
            v = _halve(np.int32(a[j]) * np.int32(b[j]), -shift)
            out[j] = min(max(v, np.int32(low)), np.int32(high))
    elif kind == MUL:
        for j in range(n):
            v = _rescale(np.int64(a[j]) * np.int64(b[j]), multiplier, shift) + zero
            out[j] = min(max(v, low), high)
    elif (
        kind == SUM
        and _halves(row[A_MULTIPLIER], row[A_SHIFT])
        and _halves(row[B_MULTIPLIER], row[B_SHIFT])
        and _halves(multiplier, shift)
        and zero == 0
    ):
        a_right, b_right = -row[A_SHIFT], -row[B_SHIFT]
        for j in range(n):
            left = _halve(np.int32(a[j]) << np.int32(HEADROOM), a_right)
            right = _halve(np.int32(b[j]) << np.int32(HEADROOM), b_right)
            total = left + right if row[B_MULTIPLIER] > 0 else left - right
            v = _halve(total, -shift)
            out[j] = min(max(v, np.int32(low)), np.int32(high))
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
    elif kind == MAXIMUM:
        for j in range(n):
            out[j] = max(a[j], b[j])
    else:  # CLIP, COPY
        for j in range(n):
            out[j] = min(max(np.int64(a[j]), low), high)


def run(P, x, y, steps, x_apart, y_apart):
    """Runs the program over a sequence, from the states in `values`, which it leaves advanced.

    x: address of (steps, INPUTS), C order, y: of (steps, OUTPUTS), rows Y_ROW values apart; int8
    unless X_IS_WIDE and Y_IS_WIDE say int16. REVERSED: from the last step to the first; ANEW: from
    START, what `values` are where they begin. What the slots of P say: rows: int64 (N_ROWS,
    ROW_LENGTH); weights: int8, each matrix column by column; biases: int32; wide_biases: int64;
    tables: int16 (n * 65536,), entry 0 of each in its middle; values: int16, x at its start and y
    at RESULT.
    """
    rows = numba.carray(i64_at(P[ROWS]), P[ROWS + 1]).reshape(-1, ROW_LENGTH)
    biases = numba.carray(i32_at(P[BIASES]), P[BIASES + 1])
    wide_biases = numba.carray(i64_at(P[WIDE_BIASES]), P[WIDE_BIASES + 1])
    tables = numba.carray(i16_at(P[TABLES]), P[TABLES + 1])
    base, inputs, outputs = P[VALUES], P[INPUTS], P[OUTPUTS]
    values, results = _vector(base, 0, inputs), _vector(base, P[RESULT], outputs)
    x_rows = numba.carray(i8_at(x), steps * inputs)
    y_rows = numba.carray(i8_at(y), steps * P[Y_ROW])
    wide_x, wide_y = (
        numba.carray(i16_at(x), steps * inputs),
        numba.carray(i16_at(y), steps * P[Y_ROW]),
    )
    if P[ANEW]:
        start = numba.carray(i16_at(P[START]), P[VALUES + 1])
        numba.carray(i16_at(base), P[VALUES + 1])[:] = start
    for s in range(steps):
        t = steps - 1 - s if P[REVERSED] else s
        for k in range(inputs):
            values[k] = wide_x[t * inputs + k] if P[X_IS_WIDE] else x_rows[t * inputs + k]
        for k in range(rows.shape[0]):
            row = rows[k]
            if row[KIND] <= AFFINE_WIDE:
                weights, totals_at = P[WEIGHTS] + row[WEIGHT], base + 2 * row[SUMS]
                totals = numba.carray(i64_at(totals_at), row[SIZE])
                sums = numba.carray(i32_at(totals_at + 8 * row[SIZE]), row[SIZE])
                if row[KIND] == AFFINE:
                    _affine(row, weights, biases, base, sums)
                elif row[KIND] == AFFINE_SHORT:
                    _affine_short(row, weights, biases, base, sums)
                else:
                    _affine_wide(row, weights, wide_biases, base, sums, totals)
            else:
                _elementwise(row, tables, base)
        for k in range(outputs):
            if P[Y_IS_WIDE]:
                wide_y[t * P[Y_ROW] + k] = results[k]
            else:
                y_rows[t * P[Y_ROW] + k] = np.int8(results[k])


@functools.cache
def kernel() -> Kernel:
    """The kernel of `run`."""
    return Kernel(run, STAGE, f"integer_program_{digest((), '')}")
