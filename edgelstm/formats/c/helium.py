"""The fused int8 LSTM for Armv8.1-M with Helium: weights in blocks of sixteen columns.

The layout is that of `kernels/c/edgelstm_helium_lstm.c`, which reads bytes as they are stored: zero
points of x and of h are in the biases.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.c.calls import Call
from edgelstm.formats.c.dsp import LARGEST_SUM
from edgelstm.formats.c.layer import Layer
from edgelstm.formats.c.lstm import Numbers, largest_sum
from edgelstm.formats.c.pairs import pair_table
from edgelstm.quantization.operations import Rescale

KERNEL = "edgelstm_helium_lstm.c"
BLOCK = 16  # columns
SUMS = 64  # that are kept: of as many units the four gates
SIDES = ("ih", "hh")


def helium_refusal(numbers: Numbers) -> str | None:
    """Why a layer is not exact in this layout; None if it is."""
    if any(largest_sum(op) >= LARGEST_SUM for op in numbers.products.values()):
        return "its sums reach 2**30"
    if numbers.output.numbers[1] >= 0:
        return "a scale leads to a factor above 1"
    return None


def append_helium(layer: Layer, numbers: Numbers) -> None:
    """The call of a layer."""
    part, constants = layer.part, layer.constants
    weight = constants.array(f"{part.name}_weight", blocks_of(numbers))
    bias = constants.array(f"{part.name}_bias", biases_of(numbers))
    called = constants.description(
        "edgelstm_helium_lstm", part.name, _fields(layer, numbers, weight, bias)
    )
    x, h, c, work = (layer.named(value) for value in ("x", "h", "c", "work"))
    part.takes_x = x == "x"
    layer.sizes[work] = SUMS + BLOCK // 2 * sum(_n_blocks(numbers))
    into, reads = ("s8(&{}, x", (h, c)) if part.takes_x else (f"s16(&{{}}, {{{{{x}}}}}", (x, h, c))
    text = f"edgelstm_helium_lstm_{into.format(called)}, {{{h}}}, {{{c}}}, {{{work}}});"
    part.calls.append(Call(text, reads, (work,), kernels=(KERNEL,)))


def blocks_of(numbers: Numbers) -> NDArray[np.int8]:
    """(units, bytes): of each unit [block][gate][16] of x, then of h."""
    found = []
    for side, n_blocks in zip(SIDES, _n_blocks(numbers), strict=True):
        weights = numbers.weights(side)  # (units, columns, gates)
        units, columns, gates = weights.shape
        padded = np.zeros((units, n_blocks * BLOCK, gates), np.int8)
        padded[:, :columns] = weights
        split = padded.reshape(units, n_blocks, BLOCK, gates).swapaxes(2, 3)
        found.append(split.reshape(units, -1))
    return np.concatenate(found, 1)


def biases_of(numbers: Numbers) -> NDArray[np.int32]:
    """(units, 2, gates): of x and of h, with their zero points taken off."""
    from_x, from_h = (numbers.weights(side).astype(np.int64).sum(1) for side in SIDES)
    of_x = numbers.bias() - numbers.x_zero_point * from_x
    return np.stack([of_x, -numbers.h_zero_point * from_h], 1).astype(np.int32)


def _n_blocks(numbers: Numbers) -> tuple[int, int]:
    return -(-numbers.inputs // BLOCK), -(-numbers.units // BLOCK)


def _fields(layer: Layer, numbers: Numbers, weight: str, bias: str) -> tuple[str, ...]:
    """The initializer of an `edgelstm_helium_lstm`, field by field."""
    tables = [pair_table(layer.constants, kind) for kind in ("sigmoid", "tanh")]
    rescales = [numbers.rescales(side) for side in SIDES]
    rights = [[_right(by) for by in side] for side in rescales]
    each = (
        [[by.numbers[0] for by in side] for side in rescales],
        [[-right for right in side] for side in rights],
        [[max(int(by.numbers[1]), 0) for by in side] for side in rescales],
        [[-int(right > 0) for right in side] for side in rights],
    )
    limit = numbers.cell_limit
    cell = (-32768, 32767) if limit is None else (-limit, limit)
    low, high = numbers.output.limits or (0, 0)
    whole = (
        *(numbers.inputs, numbers.units, numbers.x_zero_point, numbers.h_zero_point),
        *(numbers.cell_log2 + 12, *cell, -int(numbers.input.numbers[1])),
        *(numbers.output.numbers[0], _right(numbers.output)),
        *(low - numbers.h_zero_point, high - numbers.h_zero_point),
    )
    is_shifted = int(any(right == 0 for side in rights for right in side))
    numbers_of_sides = ("{" + ", ".join(map(_braced, sides)) + "}" for sides in each)
    blocks = _braced(_n_blocks(numbers))
    pointers = (weight, bias, *tables)
    return (*numbers_of_sides, blocks, str(is_shifted), *pointers, *map(str, whole))


def _right(by: Rescale) -> int:
    return max(-int(by.numbers[1]), 0)


def _braced(values: Iterable[int]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"
