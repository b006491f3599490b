"""Stages at the ends of a chain, without states: to integers, to real values, a copy."""

import functools
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from edgelstm.kernels import conversion
from edgelstm.kernels.cache import Kernel, digest
from edgelstm.kernels.simd.pointers import STAGE, f32_at, f64_at, i8_at, i16_at

# Slots of the parameters
(
    SIZE,  # values of a row; in a copy, bytes
    ZERO,  # zero point
    SCALE,  # address of a float64
    NORMAL,  # address of float32 (2, SIZE): what is taken off, and what is divided by
) = range(4)


def quantize_rows(P, x, y, steps, x_apart, y_apart):
    """int8 of rows of real values; x: address of float32 (steps, SIZE), y: of int8, C order."""
    conversion.quantize_at(x, y, steps * P[SIZE], f64_at(P[SCALE])[0], P[ZERO])


def dequantize_rows(P, x, y, steps, x_apart, y_apart):
    """Real values of rows of int8; x: address of int8 (steps, SIZE), y: of float32, C order."""
    conversion.dequantize_at(x, y, steps * P[SIZE], f64_at(P[SCALE])[0], P[ZERO])


def quantize16_rows(P, x, y, steps, x_apart, y_apart):
    """int16 of rows of real values; x: address of float32 (steps, SIZE), y: of int16, C order.

    What is not finite becomes 0; chain.py counts it before.
    """
    n, scale, zero = steps * P[SIZE], f64_at(P[SCALE])[0], P[ZERO]
    source, out = numba.carray(f32_at(x), n), numba.carray(i16_at(y), n)
    for k in range(n):
        v = np.float64(source[k]) if np.isfinite(source[k]) else 0.0
        out[k] = np.int16(min(max(np.rint(v / scale) + zero, -32768.0), 32767.0))


def dequantize16_rows(P, x, y, steps, x_apart, y_apart):
    """Real values of rows of int16; x: address of int16 (steps, SIZE), y: of float32, C order."""
    n, scale, zero = steps * P[SIZE], f64_at(P[SCALE])[0], P[ZERO]
    source, out = numba.carray(i16_at(x), n), numba.carray(f32_at(y), n)
    for k in range(n):
        out[k] = np.float32(np.float64(source[k] - zero) * scale)


def normalize_rows(P, x, y, steps, x_apart, y_apart):
    """(x - mean) / std of rows; x, y: addresses of float32 (steps, SIZE), C order."""
    size = P[SIZE]
    source, out = numba.carray(f32_at(x), steps * size), numba.carray(f32_at(y), steps * size)
    normal = numba.carray(f32_at(P[NORMAL]), 2 * size)
    for t in range(steps):
        for k in range(size):
            v = conversion.normalized(source[t * size + k], normal[k], normal[size + k])
            out[t * size + k] = v


def copy_rows(P, x, y, steps, x_apart, y_apart):
    """Rows as they are; x, y: addresses of (steps, SIZE) bytes."""
    n = steps * P[SIZE]
    source, out = numba.carray(i8_at(x), n), numba.carray(i8_at(y), n)
    for k in range(n):
        out[k] = source[k]


TEMPLATES = {
    "quantize": quantize_rows,
    "dequantize": dequantize_rows,
    "quantize16": quantize16_rows,
    "dequantize16": dequantize16_rows,
    "normalize": normalize_rows,
    "copy": copy_rows,
}


@functools.cache
def kernel(name: str) -> Kernel:
    """The kernel of one of `TEMPLATES`."""
    return Kernel(TEMPLATES[name], STAGE, f"{name}_{digest((), '')}")


def scale_array(scale: float) -> NDArray[np.float64]:
    """What SCALE points to."""
    return np.array([scale], np.float64)


def row(
    size: int,
    zero: int = 0,
    scale: NDArray[Any] | None = None,
    normal: NDArray[Any] | None = None,
) -> NDArray[np.int64]:
    """(1, slots): the parameters of a stage."""
    scale_at, normal_at = (0 if a is None else a.ctypes.data for a in (scale, normal))
    return np.array([[size, zero, scale_at, normal_at]], np.int64)
