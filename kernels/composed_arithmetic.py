"""Arithmetic of the composed format in int16 lanes: every scale but the weights' is a power of two.

So each operation is a product of small integers and a shift. Its numbers stand in slots of its own,
filled by composed_numbers.py: one kernel serves a cell at any scales. What each rounding means
stands in edgelstm/quantization/fixedpoint.py; tests hold both equal.
"""

from collections.abc import Callable
from typing import Any

import numba

from edgelstm.kernels.cell_ops import Cell, Listing
from edgelstm.kernels.int8_arithmetic import (
    divide,
    divide_product,
    product,
    tanh_of_distance,
    with_sign,
)
from edgelstm.kernels.layer import GROUPS, OWN, PEEPHOLES
from edgelstm.kernels.simd.memory import load_words
from edgelstm.kernels.simd.options import INLINED
from edgelstm.kernels.simd.target import PAIR
from edgelstm.kernels.simd.vectors import abs_i32, splat_i32, splat_words
from edgelstm.kernels.simd.words import (
    abs_words,
    average_unsigned,
    entry_256,
    first_half,
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
# Per operation: two factors of 16 bits side by side, right shift, half of 2^right.
OPS = HH + 2 * MOST_GATES
FACTORS, RIGHT, HALF = range(3)
PER_OP, MOST_OPS = 3, 48
N_SLOTS = OPS + PER_OP * MOST_OPS
ONE = 32767  # the 1 of 1 - v
LAST_DISTANCE = 21759  # times 3 the last one before the table's end, where the result stays

jit = numba.njit(**INLINED)


# ---- rescaling


@jit
def requantize64(v, P, slot):
    """An int32 vector times a multiplier of 16 bits, rounded once.

    |v| 2^left < 2^31 was checked at load. The multiplier is raised so that the shift is always 31.
    """
    return multiply_high_i32(v << P[slot], P[slot + 1])


def of_two(gates: int, gate: int) -> Any:
    """The jitted function (P, sums, slot) of a gate: its two int32 vectors to one of int16."""
    numbers, other = 2 * gate, gates + gate

    @jit
    def narrowed(P, sums, slot):
        first = requantize64(sums[gate], P, slot + numbers)
        return pack_saturating(first, requantize64(sums[other], P, slot + numbers))

    return narrowed


def of_one(gates: int, gate: int) -> Any:
    """The same where it has one; 0 in the second half of the lanes."""
    numbers = 2 * gate
    return jit(lambda P, sums, slot: first_half(requantize64(sums[gate], P, slot + numbers)))


def narrowing(gates: int, of_gate: Callable[[int, int], Any]) -> Any:
    """The jitted function (P, sums, slot) of all gates: their int32 vectors to `gates` of int16."""
    made = jit(lambda P, sums, slot: ())
    for gate in range(gates):
        made = _and(made, of_gate(gates, gate))
    return made


def _and(before: Any, narrowed: Any) -> Any:
    return jit(lambda P, sums, slot: before(P, sums, slot) + (narrowed(P, sums, slot),))


# ---- sums and products


def adder(slot: int) -> Any:
    """The jitted function (P, a, b) of int16 vectors: a times one factor and b times another,
    divided.

    Both factors stand in FACTORS, that of a in the low half.
    """

    @jit
    def added(P, a, b):
        f = splat_i32(P[slot + FACTORS])
        u = multiply_pairs(interleave_first(a, b), f)
        v = multiply_pairs(interleave_second(a, b), f)
        right, half = P[slot + RIGHT], P[slot + HALF]
        return pack_saturating(divide(u, u, right, half), divide(v, v, right, half))

    return added


def multiplier(slot: int) -> Any:
    """The jitted function (P, a, b) of int16 vectors: their product divided by 2^RIGHT."""

    @jit
    def multiplied(P, a, b):
        p, right = product(a, b), P[slot + RIGHT]
        return pack_saturating(divide_product(p[0], right), divide_product(p[1], right))

    return multiplied


def peephole(slot: int, row: int) -> Any:
    """The jitted function (P, v, unit): v times the weights of row `row` of PEEPHOLES."""
    by = multiplier(slot)
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


def tanh(slot: int) -> Any:
    """The jitted function (P, z), int16 vectors -> 2^-15.

    The distance (factor z + round) >> right is (z, 1) . (factor, round) per lane.
    """

    @jit
    def made(P, z):
        one, f, right = splat_words(1), splat_i32(P[slot + FACTORS]), P[slot + RIGHT]
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


def slot_of(cell: Cell, op: Any) -> int:
    """The first slot of an operation."""
    return OPS + PER_OP * [other.result for other in cell.ops].index(op.result)


def operation(listing: Listing, op: Any) -> Any:
    """The jitted function of an operation; None where there is none of its kind."""
    slot = slot_of(listing.cell, op)
    if op.kind == "scale":
        return peephole(slot, listing.cell.peepholes.index(op.gate))
    if op.kind == "complement":
        added = adder(slot)
        return jit(lambda P, v: added(P, splat_words(ONE), v))
    by_kind = {"mul": multiplier, "add": adder, "sub": adder, "tanh": tanh}
    if op.kind in by_kind:
        return by_kind[op.kind](slot)
    return {"sigmoid": sigmoid, "relu": relu}.get(op.kind)
