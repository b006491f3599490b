"""One dense layer packed for its kernels, and its rows as they run."""

import dataclasses
import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.kernels import dense, dense_forms, hybrid, layer, packing
from edgelstm.kernels.dense_forms import DenseForm
from edgelstm.kernels.links import Link, Place
from edgelstm.kernels.packing import aligned, padded
from edgelstm.kernels.simd.target import (
    LANES,
    OFFSET,
    SMALLEST_WEIGHT,
    TILE_ROWS,
)

Array = NDArray[Any]
INT32 = 2**31
MOST_ZERO = 128  # magnitude of a zero point, which is added to the rescaled sums
ACTIVATIONS = {
    None: dense_forms.NONE,
    "relu": dense_forms.NONE,
    "sigmoid": dense_forms.SIGMOID,
    "softmax": dense_forms.SOFTMAX,
    "tanh": dense_forms.TANH,
}


@dataclasses.dataclass(frozen=True, eq=False)
class PackedDense:
    """What all rows of a layer share; has what `pack_layer.Packed` has, and no states.

    Attributes:
        form: What is compiled.
        input_size, output_size: Of the layer.
        arrays: Slot of the parameters to the array whose address stands there.
        numbers: Slot to a number.
        states: None.
    """

    form: DenseForm
    input_size: int
    output_size: int
    arrays: dict[int, Array]
    numbers: dict[int, int]
    states: tuple[str, ...] = ()

    @functools.cached_property
    def slots(self) -> dict[int, int]:
        """Slot of the parameters to what stands there in every call: numbers, addresses."""
        return self.numbers | {slot: array.ctypes.data for slot, array in self.arrays.items()}

    @property
    def macs(self) -> int:
        """Products of one row."""
        return self.input_size * self.output_size


def pack_float32(weight: Array, bias: Array, activation: str | None) -> PackedDense:
    """A layer in float32; weight: (output_size, input_size), activation: of `ACTIVATIONS`."""
    form = dense_forms.FLOAT32
    arrays = {layer.BIAS_IH: _packed_bias(bias)} | _lowest(activation)
    return _packed(form, weight, arrays, _activation(activation, len(weight)))


def pack_hybrid(
    weight: Array, bias: Array, scale: float, activation: str | None
) -> PackedDense | None:
    """A layer with int8 weights of one scale; None where this processor cannot multiply them."""
    form = dense_forms.HYBRID
    if weight.min() < SMALLEST_WEIGHT:
        return None
    offsets = (-OFFSET * weight.sum(1, np.int64)).astype(np.int32)
    arrays = {
        layer.BIAS_IH: _packed_bias(bias),
        hybrid.OFFSETS_IH: _packed_bias(offsets),
        hybrid.WEIGHT_SCALES: np.array([scale], np.float32),
    } | _lowest(activation)
    return _packed(form, weight, arrays, _activation(activation, len(weight)))


@dataclasses.dataclass(frozen=True)
class Int8Numbers:
    """The numbers of an int8 layer.

    Attributes:
        input_zero, output_zero: Zero points of x, and of y before its table.
        multiplier: Quantized multiplier and shift, see `fixedpoint.requantize`.
        limits: Smallest and largest y before its table.
        table: What y then becomes, for -128 to 127; None: it stays.
    """

    input_zero: int
    output_zero: int
    multiplier: tuple[int, int]
    limits: tuple[int, int]
    table: Array | None


def pack_int8(weight: Array, bias: Array, given: Int8Numbers) -> PackedDense | None:
    """A layer in int8; bias is int32. None where 32 bits do not hold its sums."""
    form, wide, (q, shift) = dense_forms.INT8, weight.astype(np.int64), given.multiplier
    left, right = max(shift, 0), max(-shift, 0)
    half = (1 << right) >> 1
    most = int((np.abs(wide).sum(1) * 255 + np.abs(bias.astype(np.int64))).max())
    if (most << left) + half + MOST_ZERO >= INT32 or weight.min() < SMALLEST_WEIGHT:
        return None
    # w (v - zero) = w (v + OFFSET) - w (zero + OFFSET): the second term goes into the bias.
    folded = (bias - (given.input_zero + OFFSET) * wide.sum(1)).astype(np.int32)
    arrays = {layer.BIAS_IH: _packed_bias(folded)}
    if given.table is not None:
        arrays[dense_forms.TABLE] = np.roll(given.table, 128).astype(np.int8)
    numbers = {
        dense_forms.LOW: given.limits[0],
        dense_forms.HIGH: given.limits[1],
        dense_forms.ZERO: given.output_zero,
    }
    numbers |= dict(enumerate((left, q, right, half), dense_forms.RESCALE))
    return _packed(form, weight, arrays, numbers)


def _activation(name: str | None, output_size: int) -> dict[int, int]:
    later = name == "softmax" and output_size > LANES
    number = dense_forms.NONE if later else ACTIVATIONS[name]
    return {dense_forms.ACTIVATION: number, dense_forms.LATER: later}


def _lowest(activation: str | None) -> dict[int, Array]:
    lowest = 0 if activation == "relu" else -np.inf
    return {dense_forms.LOW: np.array([lowest], np.float32)}


def _packed_bias(bias: Array) -> Array:
    return _by_vectors(bias.reshape(-1, 1), 1)


def _packed_weight(weight: Array, per_word: int) -> Array:
    """WIDE vectors at a time as one stream, then NARROW, then the one that is left."""
    words = padded(weight.shape[1], per_word) // per_word
    vectors = _by_vectors(weight, per_word).reshape(-1, words, LANES * per_word)
    streams, start = [], 0
    for together in (dense.WIDE, dense.NARROW, 1):
        end = start + (len(vectors) - start) // together * together
        stream = vectors[start:end].reshape(-1, together, *vectors.shape[1:])
        streams.append(stream.transpose(0, 2, 1, 3).ravel())
        start = end
    out = aligned((vectors.size,), weight.dtype)
    out[:] = np.concatenate(streams)
    return out


def _by_vectors(w: Array, per_word: int) -> Array:
    order = packing.single(LANES)
    return packing.pack(w, len(w), LANES, per_word=per_word, order=order)


def _packed(
    form: DenseForm, weight: Array, arrays: dict[int, Array], numbers: dict[int, int]
) -> PackedDense:
    output_size, input_size = weight.shape
    arrays = arrays | {layer.W_IH: _packed_weight(weight, form.per_word)}
    numbers = numbers | {
        layer.INPUTS: input_size,
        layer.WORDS: padded(input_size, form.per_word) // form.per_word,
        layer.OUTPUTS: output_size,
        layer.GROUPS: padded(output_size, LANES) // LANES,
        layer.PREFETCH: packing.wants_prefetch(arrays[layer.W_IH]),
    }
    return PackedDense(form, input_size, output_size, arrays, numbers)


class RunningDense:
    """Sequences of one layer; `state.Running` without states.

    Attributes:
        type: Of x and y.
    """

    def __init__(self, packed: PackedDense) -> None:
        self._packed = packed
        self.type = packed.form.type
        self._scratch: dict[int, dict[int, Array]] = {}

    def link(self, worker: int, first: int, count: int, *, is_step: bool, member: int = 0) -> Link:
        """See `state.Running.link`."""
        if worker not in self._scratch:
            self._scratch[worker] = _new_scratch(self._packed)
        p = np.zeros((1, dense_forms.N_SLOTS), np.int64)
        for slot, number in self._packed.slots.items():
            p[0, slot] = number
        for slot, array in self._scratch[worker].items():
            p[0, slot] = array.ctypes.data
        p[0, dense_forms.TOGETHER] = count
        kernel, place = dense.kernel(self._packed.form), Place(self._packed.output_size)
        return Link(kernel, p, self, self.type, place, in_place=is_step, by_rows=True)

    def reset(self) -> None:
        """Nothing goes on from one row to the next."""


def _new_scratch(packed: PackedDense) -> dict[int, Array]:
    """Whole vectors are written: rows of x are as long as that."""
    rows, row_bytes = layer.KEPT_ROWS, layer.WORD_BYTES * packed.numbers[layer.WORDS]
    return {
        layer.TILE: aligned((TILE_ROWS, dense.WIDE * LANES), np.int32),
        layer.X_ROWS: aligned((rows * row_bytes + 4 * LANES,), np.int8),
        layer.X_LACKS: aligned((rows,), np.int32),
        hybrid.X_SCALES: aligned((rows,), np.float32),
    }
