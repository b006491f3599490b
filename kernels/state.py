"""Sequences of one packed layer as they run: states, scratch, their kernels' parameters."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.kernels import kept, layer
from edgelstm.kernels.cache import Kernel
from edgelstm.kernels.pack_layer import Packed
from edgelstm.kernels.packing import aligned
from edgelstm.kernels.simd.target import LANES, OFFSET, PAIR, TILE_ROWS

Array = NDArray[Any]


class Running:
    """`batch` sequences of one layer, shared out to workers.

    A worker's sequences run TILE_ROWS side by side, and what is left over one after the other; all
    of a worker's use the same scratch.

    Attributes:
        type: Of x and y.
        kernel: Of one sequence.
        parameters: Those of each set of sequences that one call runs.
    """

    def __init__(self, packed: Packed, batch: int, workers: int = 1) -> None:
        self._packed = packed
        self.type = packed.form.type
        h_type, c_type = packed.form.state_types
        self._h = aligned((batch, 2, packed.h_units), h_type)
        self._c = aligned((batch, packed.units), c_type)
        self._sets = [_sets(batch, k, workers, packed) for k in range(workers)]
        self._scratch = [_new_scratch(packed) for _ in range(workers)]
        self.parameters: dict[int, NDArray[np.int64]] = {}
        for sets, scratch in zip(self._sets, self._scratch, strict=True):
            self._add_parameters(sets, scratch)
        self.reset()

    def _add_parameters(self, sets: list[tuple[int, int]], scratch: dict[int, Array]) -> None:
        """Of the sets of one worker; see layer.py."""
        shared = np.zeros(self._packed.form.n_slots, np.int64)
        for slot, number in self._packed.slots.items():
            shared[slot] = number
        for slot, array in scratch.items():
            shared[slot] = array.ctypes.data
        shared[layer.ARRAY], shared[layer.TYPE] = id(np.ndarray), self.type.num
        h, c = self._h.ctypes.data, self._c.ctypes.data
        for first, count in sets:
            self.parameters[first] = p = shared.copy()
            p[layer.FIRST], p[layer.TOGETHER] = first, count
            p[layer.CHUNK] = layer.KEPT_ROWS // count
            p[layer.H_BUFFERS] = h + first * self._h.strides[0]
            p[layer.CELL] = c + first * self._c.strides[0]

    def kernels(self) -> list[Kernel]:
        """The kernels that `advance` takes."""
        counts = {count for sets in self._sets for _, count in sets}
        return [self._packed.kernel("sequence" if count == 1 else "batch") for count in counts]

    @functools.cached_property
    def kernel(self) -> Any:
        """Of one sequence."""
        return self._packed.kernel("sequence").function

    @functools.cached_property
    def _kernel_of_rows(self) -> Any:
        return self._packed.kernel("batch").function

    def step_call(self) -> Any:
        """(x, y) -> whether they fit: runs one step of the first sequence.

        x: (input_size,), y: (output_size,), of `type`, C order; anything else does nothing and
        gives False.
        """
        return functools.partial(self._packed.kernel("step").function, self.parameters[0])

    def advance(self, worker: int, x: Array, y: Array) -> None:
        """Runs a worker's sequences on.

        x: (batch, steps, input_size), y: (batch, steps, output_size), of `type`, C order, aligned;
        `ValueError` for anything else.
        """
        fits = len(x) == len(y) == len(self._h)  # a kernel looks no further than its own sequences
        for first, count in self._sets[worker]:
            run = self.kernel if count == 1 else self._kernel_of_rows
            if not fits or not run(self.parameters[first], x, y):
                raise ValueError(f"x {x.dtype} {x.shape} and y {y.dtype} {y.shape} do not fit")

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
        flips = np.empty(len(self._h), np.int64)
        for first, count in (s for sets in self._sets for s in sets):
            flips[first : first + count] = self.parameters[first][layer.FLIP]
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


def _sets(batch: int, worker: int, workers: int, packed: Packed) -> list[tuple[int, int]]:
    """First sequence and number of each call of one worker."""
    start, end = (batch * k // workers for k in (worker, worker + 1))
    together = 0 if TILE_ROWS == 1 or packed.has_phases else (end - start) // TILE_ROWS
    alone = start + together * TILE_ROWS
    return [(start + k * TILE_ROWS, TILE_ROWS) for k in range(together)] + [
        (b, 1) for b in range(alone, end)
    ]


def _new_scratch(p: Packed) -> dict[int, Array]:
    """Whole vectors are written: rows of x are as long as that."""
    gates, words, rows = len(p.cell.gates), p.numbers[layer.WORDS], layer.KEPT_ROWS
    row_bytes = layer.WORD_BYTES * words
    scratch = p.form.scratch(p.h_units) | {
        layer.SCRATCH: aligned((rows, gates * p.units), np.int32),
        layer.TILE: aligned((rows, gates * PAIR), np.int32),
        layer.X_ROWS: aligned((rows * row_bytes + 4 * LANES,), np.int8),
    }
    if p.has_phases:
        scratch[kept.KEPT] = aligned((gates * p.units,), np.float32)
        for slot in (kept.RAW, *range(kept.VALUES + 1, kept.VALUES + kept.MOST_PHASES)):
            scratch[slot] = aligned((p.h_units,), np.float32)
    return scratch
