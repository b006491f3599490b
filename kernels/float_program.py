"""One compiled function that runs any program of float32 operations over sequences.

A program is a list of rows, one operation each, on vectors that lie one after the other in
`values`. AFFINE_ROUNDED is the hybrid form: int8 weights, and the vector rounded to 8 bits.
"""

import functools

import numba
import numpy as np

from edgelstm.kernels.cache import OPTIONS, Kernel, digest
from edgelstm.kernels.simd.pointers import STAGE, f32_at, i8_at, i16_at, i64_at

# Kinds of operations
(
    AFFINE,
    AFFINE_ROUNDED,
    ADD,
    SUB,
    MUL,
    COMPLEMENT,
    SIGMOID,
    TANH,
    CLIP,
    RELU,
    SOFTMAX,
    COPY,
    SCALE,
) = range(13)
# Columns of a row: see integer_program.py; CONSTANT: where the clip, the peephole's
# weights or the weights' scale stand.
KIND, OUT, A, B, SIZE, COLUMNS, WEIGHT, BIAS, CONSTANT = range(9)
ROW_LENGTH = 9
# Slots of the parameters: arrays, each an address and behind it how many elements, then numbers.
ROWS, WEIGHTS, WEIGHTS_Q, BIASES, CONSTANTS, VALUES, ROUNDED = range(0, 14, 2)
INPUTS, OUTPUTS, RESULT, N_SLOTS = range(14, 18)

# Not finite stays not finite: no nnan, no ninf.
_jit = numba.njit(fastmath={"reassoc", "contract", "nsz", "arcp"}, **OPTIONS)
_one = np.float32(1)
_half = np.float32(0.5)


@_jit
def _affine(row, weights, biases, values):
    """One row of products.

    row: int64 (ROW_LENGTH,); weights, biases, values: float32 (n,), C order.
    """
    n, columns = row[SIZE], row[COLUMNS]
    v = values[row[A] : row[A] + columns]
    out = values[row[OUT] : row[OUT] + n]
    for j in range(n):
        start = row[WEIGHT] + j * columns
        w, acc = weights[start : start + columns], np.float32(0)
        for k in range(columns):
            acc += w[k] * v[k]
        out[j] = acc + biases[row[BIAS] + j]


@_jit
def _affine_rounded(row, weights_q, biases, constants, values, rounded):
    """One row of products of a vector in whole steps of its largest magnitude / 127.

    row: int64 (ROW_LENGTH,); weights_q: int8; biases, constants, values: float32; rounded: int16,
    scratch for the vector. Each (n,), C order.
    """
    n, columns = row[SIZE], row[COLUMNS]
    v = values[row[A] : row[A] + columns]
    out = values[row[OUT] : row[OUT] + n]
    step = _round(v, rounded)
    scale = constants[row[CONSTANT]] * step
    for j in range(n):
        start = row[WEIGHT] + j * columns
        w, acc = weights_q[start : start + columns], np.int32(0)
        for k in range(columns):
            acc = np.int32(acc + np.int32(w[k]) * np.int32(rounded[k]))
        out[j] = np.float32(acc) * scale + biases[row[BIAS] + j]


@_jit
def _round(v, rounded):
    """Fills `rounded`; returns the size of a step, float32, NaN if a value is not finite.

    v: float32 (n,); rounded: int16 (n,) or longer. Both C order.
    """
    largest, finite = np.float32(0), True
    for k in range(v.shape[0]):
        magnitude = abs(v[k])
        finite = finite and magnitude < np.inf
        largest = max(largest, magnitude)
    inverse = np.float32(127) / largest if finite and largest > 0 else np.float32(0)
    for k in range(v.shape[0]):
        rounded[k] = np.int16(np.rint(v[k] * inverse)) if finite else np.int16(0)
    return largest / np.float32(127) if finite else np.float32(np.nan)


@_jit
def _elementwise(row, constants, values):
    """One row of a kind that computes each value by itself.

    row: int64 (ROW_LENGTH,); constants, values: float32 (n,), C order.
    """
    kind, n = row[KIND], row[SIZE]
    a, b = values[row[A] : row[A] + n], values[row[B] : row[B] + n]
    out = values[row[OUT] : row[OUT] + n]
    limit = constants[row[CONSTANT]]
    if kind == ADD:
        for j in range(n):
            out[j] = a[j] + b[j]
    elif kind == SUB:
        for j in range(n):
            out[j] = a[j] - b[j]
    elif kind == MUL:
        for j in range(n):
            out[j] = a[j] * b[j]
    elif kind == COMPLEMENT:
        for j in range(n):
            out[j] = _one - a[j]
    elif kind == SIGMOID:
        for j in range(n):
            out[j] = _half * (_one + np.tanh(_half * a[j]))
    elif kind == TANH:
        for j in range(n):
            out[j] = np.tanh(a[j])
    elif kind == CLIP:
        for j in range(n):
            v = a[j]
            out[j] = limit if v > limit else (-limit if v < -limit else v)
    elif kind == SCALE:
        for j in range(n):
            out[j] = a[j] * constants[row[CONSTANT] + j]
    elif kind == RELU:
        for j in range(n):
            out[j] = np.float32(0) if a[j] < 0 else a[j]
    else:  # COPY
        out[:] = a


@_jit
def _softmax(row, values):
    """One row that is a softmax; row: int64 (ROW_LENGTH,); values: float32 (n,), C order."""
    a, out, n = row[A], row[OUT], row[SIZE]
    largest, total = values[a], np.float32(0)
    for j in range(n):
        largest = max(largest, values[a + j])
    for j in range(n):
        values[out + j] = np.exp(values[a + j] - largest)
        total += values[out + j]
    for j in range(n):
        values[out + j] /= total


def run(P, x, y, steps, x_apart, y_apart):
    """Runs the program over a sequence, from the states in `values`, which it leaves advanced.

    x, y: addresses of float32 (steps, INPUTS) and (steps, OUTPUTS), C order. What the slots of P
    say: rows: int64 (N_ROWS, ROW_LENGTH); weights, biases, constants: float32; weights_q: int8,
    each matrix row by row; values: float32, x at its start and y at RESULT; rounded: int16, scratch
    for the longest vector.
    """
    rows = numba.carray(i64_at(P[ROWS]), P[ROWS + 1]).reshape(-1, ROW_LENGTH)
    weights = numba.carray(f32_at(P[WEIGHTS]), P[WEIGHTS + 1])
    weights_q = numba.carray(i8_at(P[WEIGHTS_Q]), P[WEIGHTS_Q + 1])
    biases = numba.carray(f32_at(P[BIASES]), P[BIASES + 1])
    constants = numba.carray(f32_at(P[CONSTANTS]), P[CONSTANTS + 1])
    values = numba.carray(f32_at(P[VALUES]), P[VALUES + 1])
    rounded = numba.carray(i16_at(P[ROUNDED]), P[ROUNDED + 1])
    inputs, outputs, result = P[INPUTS], P[OUTPUTS], P[RESULT]
    x_rows = numba.carray(f32_at(x), steps * inputs)
    y_rows = numba.carray(f32_at(y), steps * outputs)
    for t in range(steps):
        values[:inputs] = x_rows[t * inputs : (t + 1) * inputs]
        for k in range(rows.shape[0]):
            row = rows[k]
            if row[KIND] == AFFINE:
                _affine(row, weights, biases, values)
            elif row[KIND] == AFFINE_ROUNDED:
                _affine_rounded(row, weights_q, biases, constants, values, rounded)
            elif row[KIND] == SOFTMAX:
                _softmax(row, values)
            else:
                _elementwise(row, constants, values)
        y_rows[t * outputs : (t + 1) * outputs] = values[result : result + outputs]


@functools.cache
def kernel() -> Kernel:
    """The kernel of `run`."""
    return Kernel(run, STAGE, f"float_program_{digest((), '')}")
