"""One compiled function that runs any program of float32 operations over sequences.

A program is a list of rows, one operation each, on vectors that lie one after the other in
`values`. AFFINE_ROUNDED is the hybrid form: int8 weights, and the vector rounded to 8 bits.
"""

import functools

import numba as nb
import numpy as np

from edgelstm.kernels.cache import OPTIONS, Kernel, digest

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

# Not finite stays not finite: no nnan, no ninf.
_jit = nb.njit(fastmath={"reassoc", "contract", "nsz", "arcp"}, **OPTIONS)
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


def run(rows, weights, weights_q, biases, constants, values, rounded, x, y, result):
    """Runs the program over sequences, from the states in `values`, which it leaves advanced.

    rows: int64 (n, ROW_LENGTH); weights, biases, constants: float32 (n,); weights_q: int8 (n,);
    each matrix row by row; values: float32 (batch, n_values), x at its start; rounded: int16 (n,),
    scratch for the longest vector;
    x: float32 (batch, steps, input_size); y: float32 (batch, steps, output_size), read off
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
                elif row[KIND] == AFFINE_ROUNDED:
                    _affine_rounded(row, weights_q, biases, constants, row_values, rounded)
                elif row[KIND] == SOFTMAX:
                    _softmax(row, row_values)
                else:
                    _elementwise(row, constants, row_values)
            y[b, t] = row_values[result : result + outputs]


@functools.cache
def kernel() -> Kernel:
    """The kernel of `run`."""
    i64, f32 = nb.int64, nb.float32
    sequences = f32[:, :, ::1]
    signature = nb.void(
        i64[:, ::1],
        f32[::1],
        nb.int8[::1],
        f32[::1],
        f32[::1],
        f32[:, ::1],
        nb.int16[::1],
        sequences,
        sequences,
        i64,
    )
    return Kernel(run, signature, f"float_program_{digest((), '')}")
