"""One recurrent layer ready to run: packed weights, states, scratch, its kernel's parameters."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.kernels import hybrid, layer, packing
from edgelstm.kernels import int8_arithmetic as int8
from edgelstm.kernels.build import Cell, kernel
from edgelstm.kernels.packing import aligned, pack, padded
from edgelstm.kernels.simd.target import CPU, LANES, OFFSET, PAIR, SMALLEST_WEIGHT

Array = NDArray[Any]
CHUNK = 24
INT32 = 2**31


@dataclasses.dataclass(frozen=True, eq=False)
class Packed:
    """What all sequences of a layer share.

    Attributes:
        cell, format_name: What is compiled.
        input_size, hidden_size: Of the layer.
        arrays: Slot of the parameters to the array whose address stands there.
        numbers: Slot to a number.
        zeros: State to the value it begins at.
    """

    cell: Cell
    format_name: str
    input_size: int
    hidden_size: int
    arrays: dict[int, Array]
    numbers: dict[int, int]
    zeros: dict[str, int]

    @property
    def units(self) -> int:
        """Padded to whole groups."""
        return padded(self.hidden_size, PAIR)

    @property
    def macs(self) -> int:
        """Products of one step."""
        return sum(self.arrays[slot].size for slot in (layer.W_IH, layer.W_HH))


def pack_float32(
    cell: Cell, weights: tuple[Array, Array], biases: tuple[Array, Array], clip: float
) -> Packed:
    """A layer in float32: weights and biases of the input and of h, stacked gate after gate."""
    arrays = _weights(weights, per_word=1, order=packing.natural(LANES))
    arrays |= _biases(biases, len(weights[1][0]), packing.natural(LANES))
    return _packed(cell, "float32", weights, arrays | {layer.CLIP: _limit(clip)}, {})


def pack_hybrid(
    cell: Cell,
    weights: tuple[Array, Array],
    biases: tuple[Array, Array],
    *,
    scales: Array,
    clip: float,
) -> Packed:
    """A layer with int8 weights; scales: float32 (2 * gates,), of weight_ih, then weight_hh."""
    order, hidden_size = packing.natural(LANES), len(weights[1][0])
    arrays = _weights(weights, per_word=4, order=order) | _biases(biases, hidden_size, order)
    sums = [(-OFFSET * w.sum(1, np.int64)).astype(np.int32) for w in weights]
    offsets = _biases((sums[0], sums[1]), hidden_size, order)
    arrays[hybrid.OFFSETS_IH] = offsets[layer.BIAS_IH]
    arrays[hybrid.OFFSETS_HH] = offsets[layer.BIAS_HH]
    arrays |= {layer.CLIP: _limit(clip), hybrid.WEIGHT_SCALES: scales.astype(np.float32)}
    return _packed(cell, "hybrid", weights, arrays, {})


@dataclasses.dataclass(frozen=True)
class Int8Scales:
    """The numbers of an int8 layer.

    Attributes:
        input_zero, hidden_zero: Zero points of x and h.
        multipliers: (quantized multiplier, shift) of the products of x gate by gate, of those of h,
            and of the output.
        cell_log2: The cell's scale is 2**cell_log2.
        cell_limit: The cell is cut to +-cell_limit; 0: to int16.
        sigmoid_table: 256 entries, see edgelstm/fixedpoint.py.
    """

    input_zero: int
    hidden_zero: int
    multipliers: tuple[tuple[int, int], ...]
    cell_log2: int
    cell_limit: int
    sigmoid_table: Array


def pack_int8(
    cell: Cell, weights: tuple[Array, Array], biases: tuple[Array, Array], scales: Int8Scales
) -> Packed | None:
    """A layer in int8; biases are int32. None where 32 bits do not hold its sums."""
    order, hidden_size = packing.narrowed(LANES), len(weights[1][0])
    slots = _slots(weights, biases, scales)
    if slots is None or min(int(w.min()) for w in weights) < SMALLEST_WEIGHT:
        return None
    zeros = scales.input_zero + OFFSET, scales.hidden_zero + OFFSET
    # w (v - zero) = w (v + OFFSET) - w (zero + OFFSET): the second term goes into the bias.
    folded = [
        (b - zero * w.astype(np.int64).sum(1)).astype(np.int32)
        for w, b, zero in zip(weights, biases, zeros, strict=True)
    ]
    arrays = _weights(weights, per_word=4, order=order)
    arrays |= _biases((folded[0], folded[1]), hidden_size, order)
    arrays[int8.TABLES] = packing.activation_tables(scales.sigmoid_table)
    numbers = _cell_numbers(scales) | dict(enumerate(slots, int8.IH))
    zero = ((scales.hidden_zero + OFFSET + 128) & 0xFF) - 128
    return _packed(cell, "int8", weights, arrays, numbers, h_zero=zero)


def _cell_numbers(scales: Int8Scales) -> dict[int, int]:
    limit, n = scales.cell_limit or 32767, scales.cell_log2 + 12
    half = 1 << (-n - 1) if n < 0 else 0
    return {
        int8.HIDDEN_ZERO: scales.hidden_zero,
        int8.CELL_LOW: -limit if scales.cell_limit else -32768,
        int8.CELL_HIGH: limit,
        int8.TANH_FACTORS: (3 << max(n, 0)) | half << 16,
        int8.TANH_RIGHT: max(-n, 0),
        int8.SHARE_SHIFT: 30 + scales.cell_log2,
    }


def _slots(
    weights: tuple[Array, Array], biases: tuple[Array, Array], scales: Int8Scales
) -> list[int] | None:
    """Four numbers per multiplier; None where a shifted sum could leave 32 bits."""
    reach = [
        (np.abs(w.astype(np.int64)).sum(1) * 255 + np.abs(b)).reshape(int8.N_GATES, -1).max(1)
        for w, b in zip(weights, biases, strict=True)
    ]
    out = []
    for (q, shift), most in zip(scales.multipliers, [*reach[0], *reach[1], 2**30], strict=True):
        left, right = max(shift, 0), max(-shift, 0)
        half = (1 << right) >> 1
        if (int(most) << left) + half >= INT32:
            return None
        out += [left, q, right, half]
    return out


def _weights(weights: tuple[Array, Array], *, per_word: int, order: Array) -> dict[int, Array]:
    """The recurrent weights read a padded h."""
    w_ih, w_hh = weights
    hidden_size = w_hh.shape[1]
    wide = np.zeros((len(w_hh), padded(hidden_size, PAIR)), w_hh.dtype)
    wide[:, :hidden_size] = w_hh
    return {
        slot: pack(w, hidden_size, LANES, per_word=per_word, order=order)
        for slot, w in ((layer.W_IH, w_ih), (layer.W_HH, wide))
    }


def _biases(biases: tuple[Array, Array], hidden_size: int, order: Array) -> dict[int, Array]:
    return {
        slot: pack(b.reshape(-1, 1), hidden_size, LANES, per_word=1, order=order)
        for slot, b in zip((layer.BIAS_IH, layer.BIAS_HH), biases, strict=True)
    }


def _limit(clip: float) -> Array:
    return np.array([clip], np.float32)


def _packed(
    cell: Cell,
    format_name: str,
    weights: tuple[Array, Array],
    arrays: dict[int, Array],
    numbers: dict[int, int],
    *,
    h_zero: int = 0,
) -> Packed:
    hidden_size, input_size = weights[1].shape[1], weights[0].shape[1]
    per_word = 1 if format_name == "float32" else 4
    units = padded(hidden_size, PAIR)
    numbers = numbers | {
        layer.INPUTS: input_size,
        layer.WORDS: padded(input_size, per_word) // per_word,
        layer.HIDDEN: hidden_size,
        layer.GROUPS: units // PAIR,
        layer.H_WORDS: units // per_word,
        layer.H_BYTES: units * (1 if format_name == "int8" else 4),
        layer.CHUNK: CHUNK,
        layer.PREFETCH: packing.wants_prefetch(CPU, arrays[layer.W_IH], arrays[layer.W_HH]),
    }
    zeros = {state: h_zero if k == 0 else 0 for k, state in enumerate(cell.states)}
    return Packed(cell, format_name, input_size, hidden_size, arrays, numbers, zeros)


class Layer:
    """`batch` sequences of one layer: their states, and per worker the scratch that they share.

    Sequence b belongs to worker b % workers; one worker runs its sequences one after the other.

    Attributes:
        type: Of x and y.
        kernel: See `layer.kernel`.
        rows: Its parameters, sequence by sequence.
    """

    def __init__(self, packed: Packed, batch: int, workers: int = 1) -> None:
        self._packed, self.kernel = packed, kernel(packed.cell, packed.format_name)
        integer = packed.format_name == "int8"
        self.type = np.dtype(np.int8 if integer else np.float32)
        state_types = (np.int8, np.int16) if integer else (np.float32, np.float32)
        self._h = aligned((batch, 2, packed.units), state_types[0])
        self._c = aligned((batch, packed.units), state_types[1])
        self._scratch = [self._new_scratch() for _ in range(workers)]
        self._P = np.zeros((batch, hybrid.N_SLOTS if not integer else int8.N_SLOTS), np.int64)
        for slot, number in packed.numbers.items():
            self._P[:, slot] = number
        for slot, array in packed.arrays.items():
            self._P[:, slot] = array.ctypes.data
        for b in range(batch):
            self._P[b, layer.H_BUFFERS] = self._h[b].ctypes.data
            self._P[b, layer.CELL] = self._c[b].ctypes.data
            for slot, array in self._scratch[b % workers].items():
                self._P[b, slot] = array.ctypes.data
        self.rows = list(self._P)
        self.reset()

    def _new_scratch(self) -> dict[int, Array]:
        """Whole vectors are written: rows of x are as long as that."""
        p = self._packed
        gates, words = len(p.cell.gates), p.numbers[layer.WORDS]
        scratch = {
            layer.SCRATCH: aligned((CHUNK, gates * p.units), np.int32),
            layer.TILE: aligned((CHUNK, gates * PAIR), np.int32),
            layer.X_ROWS: aligned((CHUNK * 4 * words + 4 * LANES,), np.int8),
        }
        if p.format_name == "hybrid":
            scratch[hybrid.X_SCALES] = aligned((CHUNK,), np.float32)
            scratch[hybrid.ROUNDED] = aligned((p.units,), np.int8)
        return scratch

    def advance(self, b: int, x: Array, y: Array) -> None:
        """Runs sequence b on.

        x: (steps, input_size), y: (steps, hidden_size), of `type`, C order.
        """
        fits = self.kernel(self.rows[b], x.reshape(-1), y.reshape(-1))
        assert fits

    def reset(self) -> None:
        """Every state to where it begins."""
        for state, value in self._packed.zeros.items():
            self._values(state)[...] = value

    def _values(self, state: str) -> Array:
        return self._h if state == self._packed.cell.states[0] else self._c

    def state(self, name: str) -> Array:
        """(batch, hidden_size), a copy, as the network stores it."""
        values = self._values(name)
        if values is self._h:
            flips = self._P[:, layer.FLIP]
            values = self._h[np.arange(len(flips)), flips]
        values = values[:, : self._packed.hidden_size].copy()
        return self._flipped(values) if name == self._packed.cell.states[0] else values

    def set_state(self, name: str, new: Array) -> None:
        """From (batch, hidden_size)."""
        size = self._packed.hidden_size
        if name == self._packed.cell.states[0]:
            self._h[:, :, :size] = self._flipped(new.astype(self._h.dtype))[:, None]
        else:
            self._c[:, :size] = new

    def _flipped(self, h: Array) -> Array:
        """h as the kernel holds it, or back: the product may want int8 with its sign flipped."""
        return h ^ np.int8(-128) if OFFSET and h.dtype == np.int8 else h
