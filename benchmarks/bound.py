"""This machine's limit for one time step, measured: how fast weights stream and registers multiply.

A step takes at least max(weight bytes / bandwidth at that many bytes, products / register peak). In
a sequence that is asked of the recurrent part; the input's products are formed for many steps at
once and count at the peak. No activation and no call is in it. The bandwidth is what the kernels'
own inner loop reaches, the better of with and without prefetching: the limit is empirical.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic

from edgelstm.kernels.packing import aligned
from edgelstm.kernels.simd import products
from edgelstm.kernels.simd.memory import store_rows
from edgelstm.kernels.simd.products import VECTOR_BYTES, emit_loop, product_f32, product_i8
from edgelstm.kernels.simd.target import LANES
from edgelstm.kernels.simd.vectors import I32, splat, splat_f32, splat_i32

CHAINS = 12  # more accumulators than latency times throughput, fewer than registers
BYTES = {"float32": 4, "int8": 1}
_jit: Any = numba.njit(nogil=True)


def _chains(kind: Any) -> Any:
    """CHAINS accumulators, no loads."""

    @intrinsic
    def chains(typingctx: Any, n: Any, seed: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            start = splat(builder, args[1], LANES)
            x = builder.bitcast(start, kind.stream)
            initial = [
                builder.insert_element(start, kind.vec.llvm.element(k), I32(k % LANES))
                for k in range(CHAINS)
            ]
            made = emit_loop(
                builder,
                args[0],
                initial,
                # Weights that never change would let LLVM form their products before the loop.
                lambda i, acc: [
                    kind.multiply_add(builder, a, x, builder.bitcast(a, kind.stream)) for a in acc
                ],
            )
            total = made[0]
            for a in made[1:]:
                both = builder.bitcast(total, products.BYTES), builder.bitcast(a, products.BYTES)
                total = builder.bitcast(builder.xor(*both), kind.vec.llvm)
            return builder.extract_element(total, I32(3))

        return seed(n, seed), codegen

    return chains


_chains_f32, _chains_i8 = _chains(products.FLOAT32), _chains(products.INT8)


@_jit
def _peak_f32(n: Any) -> Any:
    return _chains_f32(n, np.float32(n % 7))


@_jit
def _peak_i8(n: Any) -> Any:
    return _chains_i8(n, np.int32(n % 7))


@_jit
def _stream_f32(w: Any, x: Any, out: Any, n: Any, repeat: Any, ahead: Any) -> None:
    """w: address of n rows of 8 vectors; x, out: addresses of n, and of 8 vectors of, float32."""
    z = splat_f32(0.0)
    sums = (z, z, z, z, z, z, z, z)
    for _ in range(repeat):
        if ahead:
            sums = product_f32(sums, w, x, 0, n, 1, 1024)
        else:
            sums = product_f32(sums, w, x, 0, n, 1, 0)
    store_rows(out, 0, sums, 0, 1)


@_jit
def _stream_i8(w: Any, x: Any, out: Any, n: Any, repeat: Any, ahead: Any) -> None:
    """w: address of n rows of 8 vectors; x: address of n words of 4 int8; out: of 8 vectors."""
    z = splat_i32(0)
    sums = (z, z, z, z, z, z, z, z)
    for _ in range(repeat):
        if ahead:
            sums = product_i8(sums, w, x, 0, n, 1, 1024)
        else:
            sums = product_i8(sums, w, x, 0, n, 1, 0)
    store_rows(out, 0, sums, 0, 1)


def _fastest(function: Callable[..., Any], *arguments: Any) -> float:
    """Seconds."""
    function(*arguments)
    times = []
    for _ in range(7):
        start = time.process_time()
        function(*arguments)
        times.append(time.process_time() - start)
    return min(times)


def peak_gmac_per_s(form: str) -> float:
    """Products per nanosecond from registers."""
    n = 2_000_000
    per_row = CHAINS * LANES * (4 if form == "int8" else 1)
    return per_row * n / _fastest(_peak_i8 if form == "int8" else _peak_f32, n) / 1e9


def stream_gb_per_s(n_bytes: int, form: str) -> float:
    """Bandwidth of weights that are n_bytes long altogether."""
    rows = max(1, n_bytes // (8 * VECTOR_BYTES))
    w = aligned((rows * 8 * VECTOR_BYTES,), np.uint8)
    x, out = np.zeros(rows, np.float32), np.zeros(8 * LANES, np.float32)
    repeat = max(1, int(6e7 // w.nbytes))
    stream = _stream_i8 if form == "int8" else _stream_f32
    places = (w.ctypes.data, x.ctypes.data, out.ctypes.data)
    times = [_fastest(stream, *places, rows, repeat, ahead) for ahead in (0, 1)]
    return w.nbytes * repeat / min(times) / 1e9


def bounds_us(of_h: Sequence[int], of_x: Sequence[int], form: str, peak: float) -> dict[str, float]:
    """Least time of a step of a network, in a sequence and alone.

    Args:
        of_h: Products of a step with h, of each recurrent layer.
        of_x: Those of everything else.
        form: `float32` or `int8`, in which weights are stored.
        peak: What `peak_gmac_per_s` gave.
    """

    def streamed(macs: int) -> float:
        n_bytes = macs * BYTES[form]
        return max(n_bytes / stream_gb_per_s(n_bytes, form), macs / peak)

    ahead = sum(of_x) / peak
    return {
        "sequence": (sum(map(streamed, of_h)) + ahead) / 1e3,
        "step": streamed(sum(of_h) + sum(of_x)) / 1e3,
    }
