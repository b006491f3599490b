"""Sequences of one packed layer as they run: states, scratch, their stage of a chain."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.kernels import kept, layer
from edgelstm.kernels.links import Link, Place
from edgelstm.kernels.pack_layer import Packed
from edgelstm.kernels.packing import aligned
from edgelstm.kernels.simd.target import LANES, OFFSET, TILE_ROWS

Array = NDArray[Any]


class Running:
    """`batch` sequences of one layer.

    Attributes:
        type: Of x and y.
    """

    def __init__(self, packed: Packed, batch: int, place: Place) -> None:
        self._packed, self._place = packed, place
        self.type = packed.form.type
        h_type, c_type = packed.form.state_types
        self._h = aligned((batch, 2, packed.h_units), h_type)
        self._c = aligned((batch, packed.units), c_type)
        self._scratch: dict[int, dict[int, Array]] = {}
        self._parameters: dict[int, NDArray[np.int64]] = {}
        self.reset()

    def link(self, worker: int, first: int, count: int, *, is_step: bool, member: int = 0) -> Link:
        """The layer's stage for a set of sequences; all sets of a worker use the same scratch.

        A set keeps its first sequence and its size for as long as this lives. `member`: address of
        the row of the worker in its team, which shares one sequence.
        """
        alone = count == 1 or self._packed.has_phases
        if first not in self._parameters:
            self._parameters[first] = self._new_parameters(worker, first, count, alone=alone)
        kind, p = ("step" if is_step else "sequence") if alone else "batch", self._parameters[first]
        if member and not self._packed.has_phases:
            kind, home = "team", p.ctypes.data
            p = self._new_parameters(worker, first, count, alone=True)
            p[0, [layer.MEMBER, layer.HOME]] = member, home
        return Link(
            self._packed.kernel(kind),
            p,
            self,
            self.type,
            self._place,
            in_place=kind == "step",
            meets=kind == "team",
            is_whole=self._place.is_reversed,
        )

    def _new_parameters(
        self, worker: int, first: int, count: int, *, alone: bool
    ) -> NDArray[np.int64]:
        """(calls, slots), see layer.py."""
        if worker not in self._scratch:
            self._scratch[worker] = _new_scratch(self._packed)
        calls = count if alone else 1
        p = np.zeros((calls, self._packed.form.n_slots), np.int64)
        for slot, number in self._packed.slots.items():
            p[:, slot] = number
        for slot, array in self._scratch[worker].items():
            p[:, slot] = array.ctypes.data
        p[:, layer.Y_ROW_BYTES] = self._place.row_size * self.type.itemsize
        p[:, layer.REVERSED], p[:, layer.ANEW] = self._place.is_reversed, self._place.begins_anew
        p[:, layer.H_START] = self._packed.zeros[self._packed.cell.states[0]] & 0xFF
        p[:, layer.AT_ONCE] = count // calls
        p[:, layer.CHUNK] = layer.KEPT_ROWS * calls // count
        sequences = np.arange(first, first + calls)
        p[:, layer.H_BUFFERS] = self._h.ctypes.data + sequences * self._h.strides[0]
        p[:, layer.CELL] = self._c.ctypes.data + sequences * self._c.strides[0]
        return p

    def reset(self) -> None:
        """Every state to where it begins."""
        for state, value in self._packed.zeros.items():
            self._values(state).fill(value)

    def _values(self, state: str) -> Array:
        return self._h if state == self._packed.cell.states[0] else self._c

    def state(self, name: str) -> Array:
        """(batch, its size), a copy, as the network stores it."""
        if name != self._packed.cell.states[0]:
            return self._c[:, : self._packed.hidden_size].copy()
        flips = np.zeros(len(self._h), np.int64)
        for first, p in self._parameters.items():
            # Sequences that one call runs have their addresses behind the first one's.
            count = len(p) * p[0, layer.AT_ONCE]
            flips[first : first + count] = p[:, layer.FLIP]
        h = self._h[np.arange(len(flips)), flips, : self._packed.output_size]
        return self._flipped(h)

    def set_state(self, name: str, new: Array) -> None:
        """From (batch, its size)."""
        if name == self._packed.cell.states[0]:
            size = self._packed.output_size
            self._h[:, :, :size] = self._flipped(new.astype(self._h.dtype))[:, None]
        else:
            self._c[:, : self._packed.hidden_size] = new

    def _flipped(self, h: Array) -> Array:
        """h as the kernel holds it, or back: the product may want int8 with its sign flipped."""
        return h ^ np.int8(-128) if OFFSET and h.dtype == np.int8 else h


def _new_scratch(p: Packed) -> dict[int, Array]:
    """Whole vectors are written: rows of x are as long as that."""
    gates, words, rows = len(p.cell.gates), p.numbers[layer.WORDS], layer.KEPT_ROWS
    row_bytes = layer.WORD_BYTES * words
    scratch = p.form.scratch(p.h_units) | {
        layer.SCRATCH: aligned((rows, gates * p.units), np.int32),
        layer.TILE: aligned((rows, gates * p.form.group), np.int32),
        layer.X_LACKS: aligned((rows,), np.int32),
        layer.H_LACKS: aligned((TILE_ROWS,), np.int32),
        layer.X_ROWS: aligned((rows * row_bytes + 4 * LANES,), np.int8),
    }
    if p.has_phases:
        scratch[kept.KEPT] = aligned((gates * p.units,), np.float32)
        for slot in (kept.RAW, *range(kept.VALUES + 1, kept.VALUES + kept.MOST_PHASES)):
            scratch[slot] = aligned((p.h_units,), np.float32)
    return scratch
