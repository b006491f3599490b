"""One compiled function that runs any program of float32 operations over sequences.

A program is a list of rows, one operation each, on vectors that lie one after the other in
`values`. AFFINE_ROUNDED is the hybrid form: int8 weights, and the vector rounded to 8 bits.
"""

import functools

import numba
import numpy as np

from edgelstm.kernels.cache import Kernel, digest
from edgelstm.kernels.simd.options import INSIDE, OPTIONS
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
    LOG_SOFTMAX,
    LEAKY_RELU,
    ELU,
    CLAMP,
    HARD_SIGMOID,
    L2_NORM,
    LAYER_NORM,
) = range(20)
# Columns of a row: see integer_program.py; CONSTANT: where the clip, the peephole's
# weights, the weights' scale or the numbers of an activation stand.
KIND, OUT, A, B, SIZE, COLUMNS, WEIGHT, BIAS, CONSTANT = range(9)
ROW_LENGTH = 9
# Slots of the parameters: arrays, each an address and behind it how many elements, then numbers.
ROWS, WEIGHTS, WEIGHTS_Q, BIASES, CONSTANTS, VALUES, ROUNDED = range(0, 14, 2)
INPUTS, OUTPUTS, RESULT, START, Y_ROW, REVERSED, ANEW, N_SLOTS = range(14, 22)

# Not finite stays not finite: no nnan, no ninf.
_jit = numba.njit(fastmath={"reassoc", "contract", "nsz", "arcp"}, **OPTIONS, **INSIDE)
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
    elif kind == LEAKY_RELU:
        for j in range(n):
            out[j] = a[j] * limit if a[j] < 0 else a[j]
    elif kind == ELU:
        for j in range(n):
            out[j] = limit * np.expm1(a[j]) if a[j] < 0 else a[j]
    elif kind == CLAMP:
        high = constants[row[CONSTANT] + 1]
        for j in range(n):
            v = a[j]
            out[j] = high if v > high else (limit if v < limit else v)
    elif kind == HARD_SIGMOID:
        middle = constants[row[CONSTANT] + 1]
        for j in range(n):
            v = limit * a[j] + middle
            out[j] = _one if v > _one else (np.float32(0) if v < 0 else v)
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


@_jit
def _log_softmax(row, values):
    """One row that is its logarithm; arguments as those of `_softmax`."""
    a, out, n = row[A], row[OUT], row[SIZE]
    largest, total = values[a], np.float32(0)
    for j in range(n):
        largest = max(largest, values[a + j])
    for j in range(n):
        total += np.exp(values[a + j] - largest)
    total = np.log(total)
    for j in range(n):
        values[out + j] = values[a + j] - largest - total


@_jit
def _l2_norm(row, constants, values):
    """One row divided by its length, or by a constant if that is more; as `_elementwise`."""
    a, out, n = row[A], row[OUT], row[SIZE]
    total = np.float32(0)
    for j in range(n):
        total += values[a + j] * values[a + j]
    length = max(np.sqrt(total), constants[row[CONSTANT]])
    for j in range(n):
        values[out + j] = values[a + j] / length


@_jit
def _layer_norm(row, constants, values):
    """One row to mean 0 and variance 1, times weights, plus biases; as `_elementwise`."""
    a, out, n, c = row[A], row[OUT], row[SIZE], row[CONSTANT]
    mean, variance = np.float32(0), np.float32(0)
    for j in range(n):
        mean += values[a + j]
    mean /= np.float32(n)
    for j in range(n):
        variance += (values[a + j] - mean) * (values[a + j] - mean)
    inverse = _one / np.sqrt(variance / np.float32(n) + constants[c])
    for j in range(n):
        centred = (values[a + j] - mean) * inverse
        values[out + j] = centred * constants[c + 1 + j] + constants[c + 1 + n + j]


def run(P, x, y, steps, x_apart, y_apart):
    """Runs the program over a sequence, from the states in `values`, which it leaves advanced.

    x: address of float32 (steps, INPUTS), C order, y: of (steps, OUTPUTS), rows Y_ROW values apart.
    REVERSED: from the last step to the first; ANEW: from START, what `values` are where they begin.
    What the slots of P say: rows: int64 (N_ROWS, ROW_LENGTH); weights, biases, constants: float32;
    weights_q: int8, each matrix row by row; values: float32, x at its start and y at RESULT;
    rounded: int16, scratch for the longest vector.
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
    y_rows = numba.carray(f32_at(y), steps * P[Y_ROW])
    if P[ANEW]:
        values[:] = numba.carray(f32_at(P[START]), P[VALUES + 1])
    for s in range(steps):
        t = steps - 1 - s if P[REVERSED] else s
        values[:inputs] = x_rows[t * inputs : (t + 1) * inputs]
        for k in range(rows.shape[0]):
            row = rows[k]
            if row[KIND] == AFFINE:
                _affine(row, weights, biases, values)
            elif row[KIND] == AFFINE_ROUNDED:
                _affine_rounded(row, weights_q, biases, constants, values, rounded)
            elif row[KIND] == SOFTMAX:
                _softmax(row, values)
            elif row[KIND] == LOG_SOFTMAX:
                _log_softmax(row, values)
            elif row[KIND] == L2_NORM:
                _l2_norm(row, constants, values)
            elif row[KIND] == LAYER_NORM:
                _layer_norm(row, constants, values)
            else:
                _elementwise(row, constants, values)
        y_rows[t * P[Y_ROW] : t * P[Y_ROW] + outputs] = values[result : result + outputs]


@functools.cache
def kernel() -> Kernel:
    """The kernel of `run`."""
    return Kernel(run, STAGE, f"float_program_{digest((), '')}")
