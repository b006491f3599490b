"""The fused int8 LSTM for Armv7E-M: weights for Winograd's inner product, tables, an instance.

The layout is that of `kernels/c/edgelstm_dsp_lstm.inc`, which says how it is read.
"""

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.c.calls import Call
from edgelstm.formats.c.layer import Layer
from edgelstm.formats.c.lstm import GATES, Numbers, largest_sum
from edgelstm.formats.c.pairs import sigmoid_pairs, tanh_pairs
from edgelstm.formats.c.winograd import less_correction, padded, words
from edgelstm.quantization.operations import Rescale

KERNELS = ("edgelstm_dsp_lstm.c", "edgelstm_dsp_products.c")
INSTANCE = "edgelstm_dsp_lstm.inc"
LARGEST_SUM = 2**30  # that is still exact when it is doubled
MOST_UNITS = 2000  # beyond, the size is no immediate of an instruction
HEADROOM = 7.99  # of a sum in 16 bits with 12 behind the point


def dsp_refusal(numbers: Numbers) -> str | None:
    """Why a layer is not exact in this layout; None if it is."""
    if numbers.cell_limit is not None:
        return "its cell is clipped"
    if numbers.units > MOST_UNITS:
        return f"it has {numbers.units} units, and {MOST_UNITS} are the most"
    if any(largest_sum(op) >= LARGEST_SUM for op in numbers.products.values()):
        return "its sums reach 2**30"
    rescales = (numbers.forget, numbers.input, numbers.output)
    if any(by.numbers[1] >= 0 for by in rescales):
        return "a scale leads to a factor above 1"
    return None


def append_dsp(layer: Layer, numbers: Numbers) -> None:
    """The calls and the instance of a layer."""
    part, constants = layer.part, layer.constants
    network, into = constants.prefix, layer.named("x")
    raw = into == "x"
    columns, units = numbers.inputs, numbers.units
    first, second = padded(columns), padded(units)
    stream = constants.array(f"{part.name}_stream", stream_of(numbers, raw=raw))
    called = constants.description("edgelstm_dsp_lstm", part.name, _fields(layer, numbers))
    function = f"{network}_{part.name}_units"
    part.before = _instance(function, numbers)
    part.takes_x = raw
    x, h, c, work = (layer.named(value) for value in ("x", "h", "c", "work"))
    layer.sizes[work] = first + second
    spread = f"spread_s8(x, {columns}" if raw else f"spread_s16({{{x}}}, {columns}"
    texts = (
        "int32_t twice[2];",
        f"twice[0] = edgelstm_dsp_{spread}, {{{work}}});",
        f"twice[1] = edgelstm_dsp_spread_s16({{{h}}}, {units}, {{{work}}} + {first});",
        f"{function}({stream}, {{{work}}}, &{called}, {{{c}}}, {{{h}}}, twice);",
    )
    reads = (h, c) if raw else (x, h, c)
    text = "\n    ".join(texts)
    part.calls.append(Call(text, reads, (work,), kernels=(*KERNELS, INSTANCE)))


def stream_of(numbers: Numbers, *, raw: bool) -> NDArray[np.int32]:
    """(units, words): what a unit reads, in order.

    Args:
        numbers: Of the layer.
        raw: Whether x comes as it is stored: then its zero point is in the bias.
    """
    bias = numbers.bias()
    if raw:
        bias = bias - numbers.x_zero_point * numbers.weights("ih").astype(np.int64).sum(1)
    parts = []
    for side, added in (("ih", bias), ("hh", np.zeros_like(bias))):
        weights = numbers.weights(side).astype(np.int64)
        parts += [less_correction(weights, added), words(weights)]
    return np.concatenate(parts, 1).astype(np.int32)


def _instance(function: str, numbers: Numbers) -> tuple[str, ...]:
    """Defines what the kernel is instantiated with, includes it, and takes that back."""
    cell = numbers.cell_log2 + 12
    reach = max(
        256 * np.abs(op.weight.astype(np.int64)).sum(1).max() * op.rescale.ratio / 2**12
        for (side, _), op in numbers.products.items()
        if side == "hh"
    )
    values: dict[str, object] = {
        "UNITS": function,
        "COLUMNS": numbers.inputs,
        "HIDDEN": numbers.units,
        "SATURATES": int(reach > HEADROOM),
    }
    for side in ("ih", "hh"):
        for gate, by in zip(GATES, numbers.rescales(side), strict=True):
            values[f"{side.upper()}_{gate}_RIGHT"] = _right(by)
            values[f"{side.upper()}_{gate}_LEFT"] = max(by.numbers[1], 0)
    values |= {
        "FORGET_RIGHT": _right(numbers.forget),
        "INPUT_RIGHT": _right(numbers.input),
        "OUTPUT_RIGHT": _right(numbers.output),
        "CELL_SHIFT": cell,
        "ZERO_POINT": numbers.h_zero_point,
    }
    return (
        *(f"#define EDGELSTM_{name} {value}" for name, value in values.items()),
        f'#include "{INSTANCE}"',
        *(f"#undef EDGELSTM_{name}" for name in values),
    )


def _right(by: Rescale) -> int:
    return max(-int(by.numbers[1]), 0)


def _fields(layer: Layer, numbers: Numbers) -> tuple[str, ...]:
    """The initializer of an `edgelstm_dsp_lstm`."""
    tables = [
        layer.constants.array("sigmoid_pairs", sigmoid_pairs(), is_table=True),
        layer.constants.array("tanh_pairs", tanh_pairs(), is_table=True),
    ]
    sides = (
        "{" + ", ".join(str(by.numbers[0]) for by in numbers.rescales(side)) + "}"
        for side in ("ih", "hh")
    )
    output = _right(numbers.output)
    rounding = (1 << (output - 1)) + numbers.h_zero_point * (1 << output)
    last = (
        1 + (1 << _right(numbers.forget)),
        1 + (1 << _right(numbers.input)),
        rounding,
        numbers.output.numbers[0],
    )
    step = 3 * 2**7  # (3 z) >> 9, as (z * step) >> 16
    return (*sides, str(step), f"{tables[0]} + 384", "0", f"{tables[1]} + 512", *map(str, last))
