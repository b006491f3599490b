"""One recurrent layer packed for its kernel: weights, biases and numbers in their slots."""

import dataclasses
import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.kernels import float32, hybrid, kept, layer, packing, phases
from edgelstm.kernels import int8 as integer
from edgelstm.kernels import int8_arithmetic as int8
from edgelstm.kernels.bind import has_phases, kernel, listing
from edgelstm.kernels.cache import Kernel
from edgelstm.kernels.cell_ops import Cell, phases_of
from edgelstm.kernels.form import Form
from edgelstm.kernels.packing import aligned, pack, padded
from edgelstm.kernels.simd.target import LANES, NEON, OFFSET, SMALLEST_WEIGHT
from edgelstm.kernels.simd.words import TABLES_APART

Array = NDArray[Any]
INT32 = 2**31


@dataclasses.dataclass(frozen=True, eq=False)
class Packed:
    """What all sequences of a layer share.

    Attributes:
        cell, form: What is compiled.
        input_size, hidden_size, output_size: Of the layer.
        arrays: Slot of the parameters to the array whose address stands there.
        numbers: Slot to a number.
        zeros: State to the value it begins at.
    """

    cell: Cell
    form: Form
    input_size: int
    hidden_size: int
    output_size: int
    arrays: dict[int, Array]
    numbers: dict[int, int]
    zeros: dict[str, int]
    _kernels: dict[str, Kernel] = dataclasses.field(default_factory=dict, init=False)

    def kernel(self, kind: str) -> Kernel:
        """That of a kind of `bind.KINDS`."""
        if kind not in self._kernels:
            self._kernels[kind] = kernel(self.cell, self.form, kind)
        return self._kernels[kind]

    @functools.cached_property
    def slots(self) -> dict[int, int]:
        """Slot of the parameters to what stands there in every sequence: numbers, addresses."""
        return self.numbers | {slot: array.ctypes.data for slot, array in self.arrays.items()}

    @property
    def states(self) -> tuple[str, ...]:
        """Of its cell."""
        return self.cell.states

    @property
    def units(self) -> int:
        """Padded to whole groups."""
        return padded(self.hidden_size, self.form.group)

    @property
    def h_units(self) -> int:
        """Room for h: equations may read as many units as there are."""
        return max(self.units, padded(self.output_size, self.form.group))

    @functools.cached_property
    def macs(self) -> int:
        """Products of one step, without a projection's."""
        return len(self.cell.gates) * self.hidden_size * (self.input_size + self.output_size)

    @functools.cached_property
    def has_phases(self) -> bool:
        """Whether its kernel takes one sequence at a time."""
        return has_phases(self.cell, self.form)


@dataclasses.dataclass(frozen=True, eq=False)
class Float32Layer:
    """A layer in float32.

    Attributes:
        weights, biases: Of the input and of h, stacked gate after gate.
        clip: Of the cell state.
        projection: (output_size, hidden_size), or None.
        peepholes: (peephole gates * hidden_size,), or None.
    """

    weights: tuple[Array, Array]
    biases: tuple[Array, Array]
    clip: float
    projection: Array | None = None
    peepholes: Array | None = None


def _fitting(form: Form, cell: Cell, hidden_size: int) -> Form:
    """The form, or its own for groups of one vector; NEON takes a lane of x for two vectors."""
    if form.single is None or has_phases(cell, form) or NEON:
        return form
    is_single = packing.wants_single(hidden_size, len(cell.gates), LANES)
    return form.single if is_single else form


def pack_float32(cell: Cell, given: Float32Layer) -> Packed:
    """A layer in float32."""
    hidden_size = len(given.weights[0]) // len(cell.gates)
    form = _fitting(float32.FORM, cell, hidden_size)
    arrays = weights_of(given.weights, hidden_size, form)
    arrays |= biases_of(given.biases, hidden_size, form)
    if has_phases(cell, form):
        del arrays[layer.W_HH]
        arrays |= _phase_weights(cell, given, hidden_size)
    if given.peepholes is not None:
        rows = given.peepholes.reshape(-1, hidden_size)
        arrays[layer.PEEPHOLES] = aligned((len(rows), padded(hidden_size, form.group)), np.float32)
        arrays[layer.PEEPHOLES][:, :hidden_size] = rows
    return packed(cell, form, given.weights, arrays | {layer.CLIP: _limit(given.clip)}, {})


def _phase_weights(cell: Cell, given: Float32Layer, hidden_size: int) -> dict[int, Array]:
    """weight_hh phase by phase, and the projection."""
    form, arrays = float32.FORM, {}
    made = listing(cell, form)
    gates = given.weights[1].reshape(len(cell.gates), hidden_size, -1)
    for number in range(len(phases_of(made).values)):
        rows = np.concatenate([gates[k] for k in phases.due(made, number)])
        arrays[kept.WEIGHTS + number] = _pack(rows, hidden_size, form, 1)
    if given.projection is not None:
        arrays[kept.W_HR] = _pack(given.projection, len(given.projection), form, 1)
    return arrays


def pack_hybrid(
    cell: Cell,
    weights: tuple[Array, Array],
    biases: tuple[Array, Array],
    *,
    scales: Array,
    clip: float,
) -> Packed:
    """A layer with int8 weights; scales: float32 (2 * gates,), of weight_ih, then weight_hh."""
    hidden_size = len(weights[1][0])
    form = _fitting(hybrid.FORM, cell, hidden_size)
    arrays = weights_of(weights, hidden_size, form) | biases_of(biases, hidden_size, form)
    sums = [(-OFFSET * w.sum(1, np.int64)).astype(np.int32) for w in weights]
    offsets = biases_of((sums[0], sums[1]), hidden_size, form)
    arrays[hybrid.OFFSETS_IH] = offsets[layer.BIAS_IH]
    arrays[hybrid.OFFSETS_HH] = offsets[layer.BIAS_HH]
    arrays |= {layer.CLIP: _limit(clip), hybrid.WEIGHT_SCALES: scales.astype(np.float32)}
    return packed(cell, form, weights, arrays, {})


@dataclasses.dataclass(frozen=True)
class Int8Scales:
    """The numbers of an int8 layer.

    Attributes:
        input_zero, hidden_zero: Zero points of x and h.
        multipliers: (quantized multiplier, shift) of the products of x gate by gate, of those of h,
            and of the output.
        cell_log2: The cell's scale is 2**cell_log2.
        cell_limit: The cell is cut to +-cell_limit; 0: to int16.
        sigmoid_table: 256 entries, see edgelstm/quantization/fixedpoint.py.
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
    form, hidden_size = integer.FORM, len(weights[1][0])
    slots = _slots(weights, biases, scales)
    if slots is None or min(int(w.min()) for w in weights) < SMALLEST_WEIGHT:
        return None
    zeros = scales.input_zero + OFFSET, scales.hidden_zero + OFFSET
    # w (v - zero) = w (v + OFFSET) - w (zero + OFFSET): the second term goes into the bias.
    folded = [
        (b - zero * w.astype(np.int64).sum(1)).astype(np.int32)
        for w, b, zero in zip(weights, biases, zeros, strict=True)
    ]
    arrays = weights_of(weights, hidden_size, form)
    arrays |= biases_of((folded[0], folded[1]), hidden_size, form)
    arrays[int8.TABLES] = packing.activation_tables(scales.sigmoid_table, apart=TABLES_APART)
    numbers = _cell_numbers(scales) | dict(enumerate(slots, int8.IH))
    zero = ((scales.hidden_zero + OFFSET + 128) & 0xFF) - 128
    return packed(cell, form, weights, arrays, numbers, h_zero=zero)


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


def weights_of(weights: tuple[Array, Array], hidden_size: int, form: Form) -> dict[int, Array]:
    """Of the input, and of h."""
    slots = layer.W_IH, layer.W_HH
    return {
        slot: _pack(w, hidden_size, form, form.per_word)
        for slot, w in zip(slots, weights, strict=True)
    }


def _pack(w: Array, hidden_size: int, form: Form, per_word: int) -> Array:
    """All groups of a form, then a last one that has a form of its own."""
    last, gates = form.of_last(hidden_size), w.reshape(-1, hidden_size, w.shape[1])
    split = hidden_size if last is None else hidden_size // form.group * form.group
    streams = [
        pack(part.reshape(-1, w.shape[1]), part.shape[1], LANES, per_word=per_word, order=of(LANES))
        for part, of in ((gates[:, :split], form.order), (gates[:, split:], packing.single))
        if part.size
    ]
    out = aligned((sum(stream.size for stream in streams),), w.dtype)
    out[:] = np.concatenate(streams)
    return out


def biases_of(biases: tuple[Array, Array], hidden_size: int, form: Form) -> dict[int, Array]:
    """Of the sums of the input, and of h."""
    return {
        slot: _pack(b.reshape(-1, 1), hidden_size, form, 1)
        for slot, b in zip((layer.BIAS_IH, layer.BIAS_HH), biases, strict=True)
    }


def _limit(clip: float) -> Array:
    return np.array([clip], np.float32)


def packed(
    cell: Cell,
    form: Form,
    weights: tuple[Array, Array],
    arrays: dict[int, Array],
    numbers: dict[int, int],
    *,
    h_zero: int = 0,
) -> Packed:
    """The layer with what every format needs; h_zero: what stands for 0 in its h."""
    input_size, output_size = weights[0].shape[1], weights[1].shape[1]
    hidden_size = len(weights[0]) // len(cell.gates)
    per_word = form.per_word
    h_bytes, c_bytes = (kind.itemsize for kind in form.state_types)
    units, outputs = padded(hidden_size, form.group), padded(output_size, form.group)
    numbers = numbers | {
        layer.INPUTS: input_size,
        layer.WORDS: padded(input_size, per_word) // per_word,
        layer.OUTPUTS: output_size,
        layer.UNITS: hidden_size,
        layer.GROUPS: units // form.group,
        layer.END_GROUP: units // form.group,
        layer.HALVED: units // form.group - 1 if form.of_last(hidden_size) else -1,
        layer.H_WORDS: padded(output_size, per_word) // per_word,
        layer.H_BYTES: max(units, outputs) * h_bytes,
        layer.C_BYTES: units * c_bytes,
        layer.PREFETCH: packing.wants_prefetch(*arrays.values()),
    }
    if kept.W_HR in arrays:
        numbers[kept.OUT_GROUPS] = outputs // form.group
    zeros = {state: h_zero if k == 0 else 0 for k, state in enumerate(cell.states)}
    return Packed(cell, form, input_size, hidden_size, output_size, arrays, numbers, zeros)
