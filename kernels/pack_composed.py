"""A recurrent layer in the composed format: weights, biases and numbers in their slots."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba.core.errors import TypingError
from numpy.typing import NDArray

from edgelstm.kernels import composed, composed_arithmetic, layer, packing
from edgelstm.kernels.bind import has_phases, listing
from edgelstm.kernels.cell_ops import Cell
from edgelstm.kernels.composed_numbers import operation_slots
from edgelstm.kernels.pack_layer import Packed, biases_of, packed, weights_of
from edgelstm.kernels.packing import aligned, padded
from edgelstm.kernels.simd.target import OFFSET, PAIR, SMALLEST_WEIGHT
from edgelstm.kernels.simd.words import TABLES_APART

Array = NDArray[Any]
INT32 = 2**31
LEAST_SHIFT = -16  # of a multiplier: below, a sum is rescaled to next to nothing


@dataclasses.dataclass(frozen=True)
class ComposedNumbers:
    """The numbers of a composed layer.

    Attributes:
        multipliers: (multiplier of 16 bits, shift), see `fixedpoint.requantize64`, of the products
            of x gate by gate, then of those of h.
        log2s: Value to log2 of its scale; of weights of a peephole by `composed_numbers.operand`.
        limit: The second state is cut to +-limit; 0: to int16.
        peepholes: int16, (peephole gates * hidden_size,), or None.
        sigmoid_table: 256 entries, see edgelstm/quantization/fixedpoint.py.
    """

    multipliers: tuple[tuple[int, int], ...]
    log2s: Mapping[str, int]
    limit: int
    peepholes: Array | None
    sigmoid_table: Array


def pack_composed(
    cell: Cell, weights: tuple[Array, Array], biases: tuple[Array, Array], given: ComposedNumbers
) -> Packed | None:
    """A layer of int8 x and h; biases are int64. None where the kernel has no form for it."""
    form, hidden_size = composed.FORM, len(weights[1][0])
    if not _is_written(cell) or min(map(np.min, weights)) < SMALLEST_WEIGHT:
        return None
    multipliers = _multiplier_slots(weights, biases, given)
    operations = operation_slots(cell, given.log2s)
    if multipliers is None or operations is None:
        return None
    # w v = w (v + OFFSET) - w OFFSET: the second term goes into the bias.
    folded = [
        (b - OFFSET * w.sum(1, np.int64)).astype(np.int32)
        for w, b in zip(weights, biases, strict=True)
    ]
    arrays = weights_of(weights, hidden_size, form)
    arrays |= biases_of((folded[0], folded[1]), hidden_size, form)
    tables = packing.activation_tables(given.sigmoid_table, apart=TABLES_APART)
    arrays[composed_arithmetic.TABLES] = tables
    if given.peepholes is not None:
        rows = given.peepholes.reshape(-1, hidden_size)
        arrays[layer.PEEPHOLES] = aligned((len(rows), padded(hidden_size, PAIR)), np.int16)
        arrays[layer.PEEPHOLES][:, :hidden_size] = rows
    limit = given.limit or 32767
    numbers = {
        composed_arithmetic.LOW: -limit if given.limit else -32768,
        composed_arithmetic.HIGH: limit,
    }
    zero = ((OFFSET + 128) & 0xFF) - 128
    return packed(cell, form, weights, arrays, numbers | multipliers | operations, h_zero=zero)


def _is_written(cell: Cell) -> bool:
    """Whether the format has every operation, in one pass over the units."""
    made = listing(cell, composed.FORM)
    if len(cell.gates) > composed_arithmetic.MOST_GATES or len(cell.states) > 2:
        return False
    try:
        if has_phases(cell, composed.FORM):
            return False
        for op in cell.ops:
            if not op.side:
                composed.compute(made, op)
    except TypingError:
        return False
    return True


def _multiplier_slots(
    weights: tuple[Array, Array], biases: tuple[Array, Array], given: ComposedNumbers
) -> dict[int, int] | None:
    """Two numbers per multiplier; None where a sum, or a shifted one, could leave 32 bits."""
    n_gates = len(given.multipliers) // 2
    found: dict[int, int] = {}
    starts = composed_arithmetic.IH, composed_arithmetic.HH
    for side, start in enumerate(starts):
        reach = np.abs(weights[side].astype(np.int64)).sum(1) * 128 + np.abs(biases[side])
        most = reach.reshape(n_gates, -1).max(1)
        for gate in range(n_gates):
            q, shift = given.multipliers[side * n_gates + gate]
            left = max(shift, 0)
            if not LEAST_SHIFT <= shift <= 15 or int(most[gate]) << left >= INT32:
                return None
            raised = q << (16 + min(shift, 0))
            found |= {start + 2 * gate: left, start + 2 * gate + 1: raised}
    return found
