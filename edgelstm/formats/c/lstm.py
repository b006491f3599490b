"""The fused int8 LSTM: what a kernel that computes all of a step needs of the lowered list."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.c.calls import Call
from edgelstm.formats.c.layer import Layer
from edgelstm.formats.c.numbers import sigmoid_table
from edgelstm.model.forms import is_plain
from edgelstm.model.precision import FUSED
from edgelstm.quantization.operations import Clip, Lowered, Mul, Product, Rescale, Table

GATES = ("i", "f", "g", "o")
Ints = NDArray[np.signedinteger]


@dataclasses.dataclass(frozen=True, eq=False)
class Numbers:
    """What a kernel needs of a lowered LSTM.

    Attributes:
        products: (side, gate) to operation.
        forget, input, output: Rescaling of f c, i g, o tanh(c).
        cell_log2: Of the cell's scale.
        cell_limit: Of a clip of the cell; None without one.
        x_zero_point, h_zero_point: Of what comes in and goes out.
    """

    products: Mapping[tuple[str, str], Product]
    forget: Rescale
    input: Rescale
    output: Rescale
    cell_log2: int
    cell_limit: int | None
    x_zero_point: int
    h_zero_point: int

    def weights(self, side: str) -> Ints:
        """(units, columns, gates)."""
        return np.stack([self.products[side, gate].weight for gate in GATES], 2)

    def bias(self) -> Ints:
        """(units, gates), int64."""
        biases = [self.products["ih", gate].bias for gate in GATES]
        return np.stack([np.zeros(1) if b is None else b for b in biases], 1).astype(np.int64)

    def rescales(self, side: str) -> list[Rescale]:
        """Gate by gate."""
        return [self.products[side, gate].rescale for gate in GATES]

    @property
    def inputs(self) -> int:
        """Values per step that come in."""
        return int(self.products["ih", "i"].weight.shape[1])

    @property
    def units(self) -> int:
        """Hidden size."""
        return int(self.products["ih", "i"].weight.shape[0])


def is_fused_lstm(part: Any) -> bool:
    """Whether a quantized part is the LSTM that the kernels compute: int8, fused, plain."""
    return part.kind == "recurrent" and is_fused(part) and is_plain(part)


def is_fused(part: Any) -> bool:
    """Whether it is int8 in the fused form."""
    return bool(part.form == FUSED and part.precision == "int8")


def numbers_of(lowered: Lowered) -> Numbers:
    """Of an LSTM's list, whose operations stand in the order of its equations."""
    products = {(str(op.side), str(op.gate)): op for op in lowered.ops if isinstance(op, Product)}
    forget, into, output = (op.rescale for op in lowered.ops if isinstance(op, Mul))
    clips = [op.limits[1] for op in lowered.ops if isinstance(op, Clip)]
    (cell_log2,) = [op for op in lowered.ops if isinstance(op, Table)][-1].numbers
    return Numbers(
        products,
        forget,
        into,
        output,
        cell_log2,
        clips[0] if clips else None,
        lowered.input.zero_point,
        lowered.output.zero_point,
    )


def own_call(layer: Layer, text: str, work: int, *kernels: str) -> None:
    """Appends the call of a kernel that has `work` elements of its own, and all states."""
    x, h, c = (layer.named(value) for value in ("x", "h", "c"))
    given = layer.named("work")
    layer.sizes[given] = work
    for key, value in {"x": x, "h": h, "c": c, "work": given}.items():
        text = text.replace(f"<{key}>", f"{{{value}}}")
        text = text.replace(f"<words {key}>", f"{{words {value}}}")
    layer.part.calls.append(Call(text, (x, h, c), (given,), kernels=kernels))


def lstm_fields(layer: Layer, numbers: Numbers, weight: str) -> tuple[str, ...]:
    """The initializer of an `edgelstm_lstm`, field by field."""
    bias = layer.constants.array(f"{layer.part.name}_bias", numbers.bias().astype(np.int32))
    limit = numbers.cell_limit
    cell = (-32768, 32767) if limit is None else (-limit, limit)
    sides = ("{" + ", ".join(map(_scaling, numbers.rescales(s))) + "}" for s in ("ih", "hh"))
    right = -int(numbers.input.numbers[1])
    whole = (numbers.inputs, numbers.units, numbers.cell_log2 + 12, *cell, right)
    low, high = numbers.output.limits or (0, 0)
    limits = (low - numbers.h_zero_point, high - numbers.h_zero_point)
    ends = (_scaling(numbers.output), *map(str, limits))
    return (weight, bias, sigmoid_table(layer.constants), *map(str, whole), *sides, *ends)


def _scaling(by: Rescale) -> str:
    """The initializer of an `edgelstm_scaling`."""
    q, shift = by.numbers
    return f"{{{q}, {-shift}, {_half(by)}}}"


def lstm_refusal(numbers: Numbers) -> str | None:
    """Why a layer is not exact in the kernels; None if it is."""
    cell = (numbers.forget.numbers, numbers.input.numbers)
    if cell[0] != (2**30, -14) or cell[1][0] != 2**30 or cell[1][1] >= 0:
        return "a scale of its cell is no power of two"
    rescales = [*(op.rescale for op in numbers.products.values()), numbers.output]
    sums = [*map(largest_sum, numbers.products.values()), 2**30]
    if any(s + _half(by) >= 2**31 for s, by in zip(sums, rescales, strict=True)):
        return "its sums nearly reach 2**31"
    return None


def largest_sum(op: Product) -> int:
    """What a sum can be, shifted to the left where its factor is above 1."""
    bias = np.zeros(len(op.weight)) if op.bias is None else np.abs(op.bias.astype(np.int64))
    largest = int((255 * np.abs(op.weight.astype(np.int64)).sum(1) + bias).max())
    return int(largest << max(op.rescale.numbers[1], 0))


def _half(by: Rescale) -> int:
    right = -int(by.numbers[1])
    return 1 << (right - 1) if right > 0 else 0
