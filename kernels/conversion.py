"""Real values to int8 and back, in one pass each."""

import functools

import numba as nb
import numpy as np

from edgelstm.kernels.cache import Kernel, digest


def quantize(x, scale, zero, out):
    """clip(round_half_even(x / scale) + zero); returns how many values are not finite.

    x: float32 (n,); scale: float64; out: int8 (n,). All C order.
    """
    bad = 0
    for k in range(x.shape[0]):
        v = np.float64(x[k])
        if not np.isfinite(v):
            bad += 1
            v = np.float64(0)
        out[k] = np.int8(min(max(np.rint(v / scale) + zero, -128.0), 127.0))
    return bad


def dequantize(y, scale, zero, out):
    """scale * (y - zero).

    y: int8 (n,); scale: float64; out: float32 (n,). All C order.
    """
    for k in range(y.shape[0]):
        out[k] = np.float32((np.float64(y[k]) - zero) * scale)


@functools.cache
def quantizer() -> Kernel:
    """The kernel of `quantize`."""
    signature = nb.int64(nb.float32[::1], nb.float64, nb.int64, nb.int8[::1])
    return Kernel(quantize, signature, f"quantize_{digest((), '')}")


@functools.cache
def dequantizer() -> Kernel:
    """The kernel of `dequantize`."""
    signature = nb.void(nb.int8[::1], nb.float64, nb.int64, nb.float32[::1])
    return Kernel(dequantize, signature, f"dequantize_{digest((), '')}")
