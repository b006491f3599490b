"""The fused int8 LSTM for aarch64: streams of weights, constants.

The layout is that of `kernels/c/edgelstm_a64_lstm.c`, which says how it is read.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.c.layer import Layer
from edgelstm.formats.c.lstm import Numbers, own_call
from edgelstm.formats.c.pairs import pair_table
from edgelstm.quantization.operations import Rescale

KERNELS = ("edgelstm_a64_lstm.c", "edgelstm_a64_products.c", "edgelstm_ends.c")
GROUP = 4  # columns that are multiplied at once, and units
INTERVALS = (14, 14, 15, 14)  # bits by which d is shifted, so that its interval is on top
UP, NOT_UP = -31, 32  # shifts that leave of a number its sign, and nothing


def a64_refusal(numbers: Numbers) -> str | None:
    """Why a layer is not exact in this layout; None if it is."""
    if numbers.output.numbers[1] >= 0:
        return "a scale leads to a factor above 1"
    return None


def append_a64(layer: Layer, numbers: Numbers) -> None:
    """The call of a layer."""
    name = layer.part.name
    called = layer.constants.description("edgelstm_a64_lstm", name, _fields(layer, numbers))
    text = f"edgelstm_a64_lstm_s8(&{called}, <x>, <h>, <c>, <words work>);"
    n_bytes = padded(numbers.inputs) + padded(numbers.units)
    own_call(layer, text, n_bytes // 2, *KERNELS)


def padded(n: int) -> int:
    """Columns or units with those that are zeros."""
    return -(-n // GROUP) * GROUP


def stream_of(numbers: Numbers) -> NDArray[np.int32]:
    """(units, words): of each side four biases, less what zero points add, and [column / 4][gate].

    A word is four weights of a gate.
    """
    sides = (
        ("ih", numbers.bias(), numbers.x_zero_point),
        ("hh", np.zeros_like(numbers.bias()), numbers.h_zero_point),
    )
    parts = []
    for side, bias, zero_point in sides:
        weights = numbers.weights(side).astype(np.int64)
        parts += [bias - zero_point * weights.sum(1), words_of(weights)]
    stream = np.concatenate(parts, 1)
    more = padded(numbers.units) - numbers.units
    return np.pad(stream, ((0, more), (0, 0))).astype(np.int32)


def words_of(weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """[block][column / 4][row] of weights (blocks, columns, rows), zeros behind the last column."""
    blocks, _, rows = weights.shape
    groups = _in_fours(weights).reshape(blocks, -1, GROUP, rows).transpose(0, 1, 3, 2)
    return _as_words(groups.reshape(blocks, -1))


def columns_of(weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """[block][column] of weights (blocks, columns, 4): a word holds four rows."""
    return _as_words(_in_fours(weights).reshape(len(weights), -1))


def _in_fours(weights: NDArray[np.int64]) -> NDArray[np.int64]:
    columns = weights.shape[1]
    return np.pad(weights, ((0, 0), (0, padded(columns) - columns), (0, 0)))


def _as_words(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.ascontiguousarray(values, np.int8).view("<i4").astype(np.int64)


def _fields(layer: Layer, numbers: Numbers) -> tuple[str, ...]:
    """The initializer of an `edgelstm_a64_lstm`."""
    limit, zero_point = numbers.cell_limit, numbers.h_zero_point
    cell = (-32768, 32767) if limit is None else (-limit, limit)
    low, high = numbers.output.limits or (0, 0)
    multiplier, right = numbers.output.numbers
    shifts = (numbers.input.numbers[1], numbers.cell_log2 + 12, multiplier, right)
    limits = (*cell, low - zero_point, high - zero_point)
    tables = [pair_table(layer.constants, kind) for kind in ("sigmoid", "tanh")]
    stream = layer.constants.array(f"{layer.part.name}_stream", stream_of(numbers))
    return (
        *(_scaling(numbers.rescales(side)) for side in ("ih", "hh")),
        _list(INTERVALS),
        *map(str, (*shifts, *limits, numbers.inputs, numbers.units)),
        *tables,
        stream,
        *map(str, (numbers.x_zero_point, zero_point)),
    )


def _scaling(gates: list[Rescale]) -> str:
    """The initializer of an `edgelstm_a64_scaling`."""
    multipliers, shifts = zip(*(by.numbers for by in gates), strict=True)
    left, right = ([limit(shift, 0) for shift in shifts] for limit in (max, min))
    away = [UP if shift else NOT_UP for shift in right]
    return "{" + ", ".join(map(_list, (left, multipliers, away, right))) + "}"


def _list(values: Iterable[object]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"
