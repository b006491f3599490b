"""Arithmetic of the composed format in int16 lanes: every scale but the weights' is a power of two.

So each operation is a product of small integers and a shift, whose amounts follow from log2 of the
scales of its values and are compiled in. What each rounding means stands in
edgelstm/quantization/fixedpoint.py; tests hold both equal.
"""

import dataclasses
from typing import Any

import numba

from edgelstm.kernels.cache import INLINED
from edgelstm.kernels.cell_ops import Listing
from edgelstm.kernels.int8_arithmetic import (
    divide_product,
    product,
    tanh_of_distance,
    with_sign,
)
from edgelstm.kernels.integer_program import HEADROOM
from edgelstm.kernels.layer import GROUPS, OWN, PEEPHOLES
from edgelstm.kernels.simd.memory import load_words
from edgelstm.kernels.simd.target import PAIR
from edgelstm.kernels.simd.vectors import abs_i32, splat_i32, splat_words
from edgelstm.kernels.simd.words import (
    abs_words,
    average_unsigned,
    entry_256,
    interleave_first,
    interleave_second,
    max_words,
    min_unsigned,
    min_words,
    multiply_high_i32,
    multiply_high_unsigned,
    multiply_pairs,
    pack_saturating,
    pack_unsigned,
    shift_unsigned,
)

MOST_GATES = 4
(
    TABLES,  # address, see packing.activation_tables: the slot of the int8 format
    LOW,  # limits of the second state
    HIGH,
) = range(OWN, OWN + 3)
# Per gate: left shift, multiplier.
IH = OWN + 3
HH = IH + 2 * MOST_GATES
N_SLOTS = HH + 2 * MOST_GATES
ONE = 32767  # the 1 of 1 - v
ONE_LOG2 = -15
SIGMOID_LOG2 = -11  # what a sigmoid reads
MOST_FACTOR = 14  # log2 of what multiplies a value in a sum
LAST_DISTANCE = 21759  # times 3 the last one before the table's end, where the result stays

jit = numba.njit(**INLINED)


# ---- rescaling


@jit
def requantize64(v, P, slot):
    """An int32 vector times a multiplier of 16 bits, rounded once.

    |v| 2^left < 2^31 was checked at load. The multiplier is raised so that the shift is always 31.
    """
    return multiply_high_i32(v << P[slot], P[slot + 1])


def narrowing(gates: int) -> Any:
    """The jitted function (P, sums, slot): 2 * gates int32 vectors to `gates` of int16."""
    last, two = gates - 1, 2 * (gates - 1)

    @jit
    def one(P, sums, slot):
        first = requantize64(sums[last], P, slot + two)
        second = requantize64(sums[last + gates], P, slot + two)
        return pack_saturating(first, second)

    return _narrowing(gates, gates, one)


def _narrowing(gates: int, count: int, last: Any) -> Any:
    """Of the first `count` gates of so many."""
    if count == 1:
        return jit(lambda P, sums, slot: (last(P, sums, slot),))
    k, two = count - 2, 2 * (count - 2)

    @jit
    def one(P, sums, slot):
        first = requantize64(sums[k], P, slot + two)
        second = requantize64(sums[k + gates], P, slot + two)
        return pack_saturating(first, second)

    before = _narrowing(gates, count - 1, one)
    return jit(lambda P, sums, slot: before(P, sums, slot) + (last(P, sums, slot),))


# ---- sums


@dataclasses.dataclass(frozen=True)
class Shifts:
    """``(a * first + b * second)`` divided by 2^shift: a sum of two scales in a third."""

    first: int
    second: int
    shift: int


def shifts(log2s: tuple[int, int], out: int, sign: int) -> Shifts | None:
    """Of values with these log2 of scales; None where the kernel has no form for them.

    Both are taken to twice the coarser scale with HEADROOM bits below it, so nothing is lost while
    their scales are that near.
    """
    common = max(log2s) + 1
    down = [common - log2 for log2 in log2s]
    most = max(down)
    shift = HEADROOM + out - common - (HEADROOM - most)
    if most >= HEADROOM or any(most - k > MOST_FACTOR for k in down) or not -8 <= shift <= 20:
        return None
    return Shifts(1 << (most - down[0]), sign << (most - down[1]), shift)


def adder(by: Shifts) -> Any:
    """The jitted function (P, a, b) of int16 vectors."""
    factors = (by.first & 0xFFFF) | (by.second << 16)
    left, right = max(-by.shift, 0), max(by.shift, 0)
    half = (1 << right) >> 1
    ties = 1 if right else 0

    @jit
    def added(P, a, b):
        f = splat_i32(factors)
        u = multiply_pairs(interleave_first(a, b), f)
        v = multiply_pairs(interleave_second(a, b), f)
        if ties:  # away from zero
            u, v = (u + ((u >> 31) + half)) >> right, (v + ((v >> 31) + half)) >> right
        return pack_saturating(u << left, v << left)

    return added


# ---- products


def multiplier(right: int) -> Any:
    """The jitted function (P, a, b) of int16 vectors: their product divided by 2^right."""

    @jit
    def multiplied(P, a, b):
        p = product(a, b)
        return pack_saturating(divide_product(p[0], right), divide_product(p[1], right))

    return multiplied


def peephole(row: int, right: int) -> Any:
    """The jitted function (P, v, unit): v times the weights of row `row` of PEEPHOLES."""
    by = multiplier(right)
    return jit(lambda P, v, unit: by(P, v, load_words(P[PEEPHOLES], row * P[GROUPS] * PAIR + unit)))


# ---- tables


@jit
def sigmoid(P, z):
    """2^-11 -> 2^-15, int16 vectors."""
    a = min_unsigned(abs_words(z), splat_words(LAST_DISTANCE))
    d = a + a + a
    value, slope = entry_256(P[TABLES], shift_unsigned(d, splat_words(8)))
    rise = multiply_high_unsigned(d << 8, slope)
    return with_sign(average_unsigned(value, rise), z >> 15) + 16384


def tanh(log2: int) -> Any:
    """The jitted function (P, z), int16 vectors: 2^log2 -> 2^-15."""
    n = log2 + 12
    half = 1 << (-n - 1) if n < 0 else 0
    factors, right = (3 << max(n, 0)) | half << 16, max(-n, 0)

    @jit
    def made(P, z):
        one, f = splat_words(1), splat_i32(factors)
        d = multiply_pairs(interleave_first(z, one), f) >> right
        e = multiply_pairs(interleave_second(z, one), f) >> right
        distance = pack_unsigned(abs_i32(d), abs_i32(e))
        return with_sign(tanh_of_distance(P[TABLES], distance), z >> 15)

    return made


# ---- the rest


@jit
def relu(P, v):
    """The larger of v and 0, int16 vectors."""
    return max_words(v, splat_words(0))


@jit
def clip(P, v):
    """An int16 vector cut to LOW and HIGH."""
    return min_words(max_words(v, splat_words(P[LOW])), splat_words(P[HIGH]))


def clipped(operation: Any) -> Any:
    """The jitted function (P, a, b) with a clip behind it."""
    return jit(lambda P, a, b: clip(P, operation(P, a, b)))


# ---- operations by their kind


def operation(listing: Listing, op: Any) -> Any:
    """The jitted function of an operation; None where its values' scales are too far apart."""
    out, (first, *others) = _log2(listing, op.result), [_log2(listing, a) for a in op.args]
    if op.kind == "scale":
        others = [_log2(listing, f"peephole {op.gate}")]
    if op.kind in ("mul", "scale"):
        right = out - first - others[0]
        if not 2 <= right <= 30:
            return None
        row = listing.cell.peepholes.index(op.gate) if op.kind == "scale" else 0
        return multiplier(right) if op.kind == "mul" else peephole(row, right)
    if op.kind in ("add", "sub", "complement"):
        log2s = (ONE_LOG2, first) if op.kind == "complement" else (first, others[0])
        by = shifts(log2s, out, 1 if op.kind == "add" else -1)
        added = by and adder(by)
        if op.kind == "complement" and added:
            return jit(lambda P, v: added(P, splat_words(ONE), v))
        return added
    if op.kind == "sigmoid":
        return sigmoid if first == SIGMOID_LOG2 else None
    return {"tanh": tanh(first), "relu": relu}.get(op.kind)


def _log2(listing: Listing, value: str) -> int:
    """Of a value's scale: what this format has in place of a role."""
    return int(listing.role(value))
