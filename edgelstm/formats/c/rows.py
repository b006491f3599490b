"""Products for Armv7E-M: matrices that read one vector, a block of rows at a time.

Inputs of int8 take Winograd's inner product, others four instructions for four products.

The layout is that of `kernels/c/edgelstm_dsp_rows.inc`, which says how it is read.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.c.calls import Call
from edgelstm.formats.c.integers import Places, one_by_one, reads_bytes
from edgelstm.formats.c.layer import Layer
from edgelstm.formats.c.numbers import INT16
from edgelstm.formats.c.winograd import Int64s, less_correction, padded, wide_words, words
from edgelstm.quantization.fixedpoint import multiplier16
from edgelstm.quantization.operations import Lowered, Product

KERNEL, INSTANCE = "edgelstm_dsp_products.c", "edgelstm_dsp_rows.inc"
MOST_GATES = 4
MULTIPLIED = 16  # bits that SMLAWB takes off a product
LARGEST = {False: 2**7, True: 2**15}  # of an input, by whether it has 16 bits
MOST_RIGHT = 30
MOST_COLUMNS = 2000  # beyond, the size is no immediate of an instruction


def append_rows(layer: Layer, ops: Sequence[Product], lowered: Lowered) -> Places:
    """The calls of products that may run at once; where each result lies."""
    places: Places = {}
    for _, group in itertools.groupby(sorted(ops, key=_shared), _shared):
        fast, others = list[Product](), list[Product]()
        for op in group:
            (fast if is_exact(op, lowered) else others).append(op)
        places |= one_by_one(layer, others, lowered)
        # What leaves the layer, or becomes a state, lies in a vector of its own.
        alone = [op for op in fast if op.result in (lowered.output.name, *lowered.new_states)]
        fast = [op for op in fast if op not in alone]
        groups = [fast[k : k + MOST_GATES] for k in range(0, len(fast), MOST_GATES)]
        for chosen in (*groups, *([op] for op in alone)):
            places |= _blocks(layer, chosen, wide=not reads_bytes(chosen[0], lowered))
    return places


def _shared(op: Product) -> tuple[str, int]:
    """What matrices of one function have in common: the input and the number of rows."""
    return op.args[0], len(op.weight)


def is_exact(op: Product, lowered: Lowered) -> bool:
    """Whether a product in this layout has the bits of its definition."""
    if op.rescale.rounding != "requantize64" or op.rescale.limits != INT16:
        return False
    if op.result in lowered.new_states and len(op.weight) % MOST_GATES:
        return False  # whole blocks are written
    left, right = _shifts(op)
    if op.weight.shape[1] > MOST_COLUMNS or right > MOST_RIGHT:
        return False
    bias = 0 if op.bias is None else np.abs(op.bias)
    most = LARGEST[not reads_bytes(op, lowered)]
    largest = (most * np.abs(op.weight.astype(np.int64)).sum(1) + bias).max()
    return int(largest) << left < 2**31


def _shifts(op: Product) -> tuple[int, int]:
    """To the left before the product, and to the right behind it."""
    right = 15 - int(op.rescale.numbers[1]) - MULTIPLIED
    return max(1 - right, 0), max(right, 1)


def _blocks(layer: Layer, ops: Sequence[Product], *, wide: bool) -> Places:
    """One function for all rows of some matrices, in the order unit, gate."""
    part, constants, arg = layer.part, layer.constants, layer.named(ops[0].args[0])
    units, columns = ops[0].weight.shape
    rows = 3 if len(ops) == 3 else 4
    total = -(-units * len(ops) // rows) * rows
    about = "_".join([ops[0].side or "", *(op.gate or "" for op in ops)]).strip("_")
    called = f"{part.name}_{about}_products"
    stream = constants.array(f"{called}_stream", _stream(ops, rows, total, wide=wide))
    gates = [ops[row % len(ops)] for row in range(rows)]
    multipliers = np.array([multiplier16(op.rescale.numbers[0]) for op in gates], np.int32)
    scales = constants.array(f"{called}_multipliers", multipliers)
    function = f"{constants.prefix}_{called}"
    part.before += tuple(_instance(function, gates, columns, wide=wide))
    result = ops[0].result + "_rows" * (len(ops) > 1)
    work = layer.named(f"{ops[0].result}_words")
    kind = "wide_s16" if wide else "spread_s8" if arg == "x" else "spread_s16"
    vector, raw = layer.named(result), kind == "spread_s8"
    layer.sizes[vector], layer.sizes[work] = total, padded(columns)
    part.takes_x = part.takes_x or raw
    source = f"edgelstm_dsp_{kind}({'x' if raw else f'{{{arg}}}'}, {columns}"
    text = (
        f"{function}({stream}, {{{work}}}, {scales}, {{{vector}}}, {{{vector}}} + {total},\n"
        f"        {source}, {{{work}}}));"
    )
    reads = () if raw else (arg,)
    part.calls.append(Call(text, reads, (vector, work), kernels=(KERNEL, INSTANCE)))
    return {op.result: (result, len(ops), k) for k, op in enumerate(ops)}


def _stream(ops: Sequence[Product], rows: int, total: int, *, wide: bool) -> NDArray[np.int32]:
    """(blocks, words): of each block the biases, less what the inner product adds, and words."""
    weights = np.stack([op.weight.astype(np.int64) for op in ops], 1)
    units, gates, columns = weights.shape
    none = np.zeros(units, np.int64)
    bias = np.stack([none if op.bias is None else op.bias.astype(np.int64) for op in ops], 1)
    more = total - units * gates
    every = np.pad(weights.reshape(-1, columns), ((0, more), (0, 0)))
    blocks = every.reshape(-1, rows, columns).transpose(0, 2, 1)
    biases: Int64s = np.pad(bias.ravel(), (0, more)).reshape(-1, rows)
    parts = [biases, wide_words(blocks)]
    if not wide:
        parts = [less_correction(blocks, biases), words(blocks)]
    return np.concatenate(parts, 1).astype(np.int32)


def _instance(
    function: str, gates: Sequence[Product], columns: int, *, wide: bool
) -> Iterator[str]:
    values: dict[str, object] = {
        "BLOCKS": function,
        "WIDE": int(wide),
        "COLUMNS": padded(columns) if wide else columns,
        "ROWS": len(gates),
    }
    for row in range(MOST_GATES):
        left, right = _shifts(gates[row % len(gates)])
        values |= {f"LEFT_{row}": left, f"RIGHT_{row}": right}
    yield from (f"#define EDGELSTM_{name} {value}" for name, value in values.items())
    yield f'#include "{INSTANCE}"'
    yield from (f"#undef EDGELSTM_{name}" for name in values)
