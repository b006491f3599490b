"""Stages that read the steps of sequences, or repeat one: whole sequences in, other steps out."""

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np

from edgelstm.kernels.cache import Kernel, digest
from edgelstm.kernels.simd.options import INLINED
from edgelstm.kernels.simd.pointers import STAGE, f32_at, f64_at, i8_at, i16_at, i64_at

# Slots of the parameters
(
    SIZE,  # values of a row of x
    OUT_STEPS,  # rows that `repeated` gives
    KEPT,  # address of the largest so far, (SIZE,), which goes on from call to call; 0: none does
    SUMS,  # address of int64 or float64 (SIZE,), scratch
    FACTOR,  # the mean of integers is (sum * FACTOR + 2^(RIGHT - 1)) >> RIGHT, cut to LOW and HIGH
    RIGHT,
    LOW,
    HIGH,
    N_SLOTS,
) = range(9)
POINTERS = {"float32": f32_at, "int8": i8_at, "int16": i16_at}
jit = numba.njit(**INLINED)

# Bound by `kernel`.
values_at: Any = None  # of `POINTERS`


def last(P, x, y, steps, x_apart, y_apart):
    """The last row of x, (steps, SIZE), C order; y: address of (SIZE,)."""
    rows, out = numba.carray(values_at(x), steps * P[SIZE]), numba.carray(values_at(y), P[SIZE])
    for k in range(P[SIZE]):
        out[k] = rows[(steps - 1) * P[SIZE] + k]


def finals(P, x, y, steps, x_apart, y_apart):
    """Half of the last row of x, (steps, SIZE), C order, and half of the first; y: of (SIZE,)."""
    rows, out = numba.carray(values_at(x), steps * P[SIZE]), numba.carray(values_at(y), P[SIZE])
    half = P[SIZE] // 2
    for k in range(half):
        out[k] = rows[(steps - 1) * P[SIZE] + k]
    for k in range(half, P[SIZE]):
        out[k] = rows[k]


def flat(P, x, y, steps, x_apart, y_apart):
    """All rows side by side; x: address of (steps, SIZE), y: of (steps * SIZE,), C order."""
    count = steps * P[SIZE]
    rows, out = numba.carray(values_at(x), count), numba.carray(values_at(y), count)
    for k in range(count):
        out[k] = rows[k]


def turned(P, x, y, steps, x_apart, y_apart):
    """The rows in the other order; x, y: addresses of (steps, SIZE), C order."""
    size, count = P[SIZE], steps * P[SIZE]
    rows, out = numba.carray(values_at(x), count), numba.carray(values_at(y), count)
    for t in range(steps):
        for k in range(size):
            out[t * size + k] = rows[(steps - 1 - t) * size + k]


def repeated(P, x, y, steps, x_apart, y_apart):
    """A row for each of OUT_STEPS; x: address of (SIZE,), y: of (OUT_STEPS, SIZE), C order."""
    size = P[SIZE]
    row, out = numba.carray(values_at(x), size), numba.carray(values_at(y), P[OUT_STEPS] * size)
    for t in range(P[OUT_STEPS]):
        for k in range(size):
            out[t * size + k] = row[k]


def largest(P, x, y, steps, x_apart, y_apart):
    """The largest of each value; NaN stays. x: (steps, SIZE), C order, y: (SIZE,), addresses."""
    size = P[SIZE]
    rows, out = numba.carray(values_at(x), steps * size), numba.carray(values_at(y), size)
    start = numba.carray(values_at(P[KEPT] if P[KEPT] else x), size)
    for k in range(size):
        out[k] = start[k]
    for t in range(steps):
        for k in range(size):
            v = rows[t * size + k]
            if v > out[k] or v != v:
                out[k] = v
    if P[KEPT]:
        kept = numba.carray(values_at(P[KEPT]), size)
        for k in range(size):
            kept[k] = out[k]


@jit
def _sum_up(rows, sums):
    """The sums of each value over the steps; rows: (steps * n,), C order, sums: (n,)."""
    size = len(sums)
    for k in range(size):
        sums[k] = 0
    for at in range(0, len(rows), size):
        for k in range(size):
            sums[k] += rows[at + k]


def mean(P, x, y, steps, x_apart, y_apart):
    """The mean of real values; x: address of float32 (steps, SIZE), C order, y: of (SIZE,).

    Summed up in float64, as a float32 sum of many steps loses what it adds.
    """
    size = P[SIZE]
    rows, out = numba.carray(f32_at(x), steps * size), numba.carray(f32_at(y), size)
    sums = numba.carray(f64_at(P[SUMS]), size)
    _sum_up(rows, sums)
    for k in range(size):
        out[k] = np.float32(sums[k] / steps)


def integer_mean(P, x, y, steps, x_apart, y_apart):
    """The mean of integers, rounded; x: address of (steps, SIZE), C order, y: of (SIZE,)."""
    size, half = P[SIZE], (1 << P[RIGHT]) >> 1
    rows, out = numba.carray(values_at(x), steps * size), numba.carray(values_at(y), size)
    sums = numba.carray(i64_at(P[SUMS]), size)
    _sum_up(rows, sums)
    for k in range(size):
        out[k] = min(max((sums[k] * P[FACTOR] + half) >> P[RIGHT], P[LOW]), P[HIGH])


TEMPLATES = {
    "last": last,
    "finals": finals,
    "flatten": flat,
    "reverse_steps": turned,
    "repeat": repeated,
    "max": largest,
    "mean": mean,
    "integer_mean": integer_mean,
}

TYPES = {"mean": ("float32",), "integer_mean": ("int8", "int16")}  # of a template, if not all


def kernels() -> Iterator[Kernel]:
    """Every one that there is."""
    for name, kind in itertools.product(TEMPLATES, POINTERS):
        if kind in TYPES.get(name, POINTERS):
            yield kernel(name, kind)


@functools.cache
def kernel(name: str, kind: str) -> Kernel:
    """The kernel of one of `TEMPLATES`, for values of one of `POINTERS`."""
    mark = f"{name}_{kind}_{digest((), '')}"
    return Kernel(TEMPLATES[name], STAGE, mark, lambda: {"values_at": POINTERS[kind]})
