"""Products for aarch64: all matrices that read one vector, four rows to a stream.

The layout is that of `kernels/c/edgelstm_a64_rows.c`, which says how it is read.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.c.a64 import GROUP, columns_of, padded, words_of
from edgelstm.formats.c.calls import Call
from edgelstm.formats.c.integers import Places, one_by_one, reads_bytes
from edgelstm.formats.c.layer import Layer
from edgelstm.formats.c.numbers import INT16
from edgelstm.quantization.fixedpoint import multiplier16
from edgelstm.quantization.operations import Lowered, Product

KERNELS = ("edgelstm_a64_rows.c", "edgelstm_a64_products.c", "edgelstm_ends.c")
BLOCK = 16  # rows that are computed at once
LARGEST = {True: 2**7, False: 2**15}  # of an input, by whether it is a byte


def append_a64_rows(layer: Layer, ops: Sequence[Product], lowered: Lowered) -> Places:
    """The calls of products that may run at once; where each result lies."""
    fast = [op for op in ops if is_exact(op, lowered)]
    places = one_by_one(layer, [op for op in ops if op not in fast], lowered)
    for _, group in itertools.groupby(sorted(fast, key=_input), _input):
        chosen = list(group)
        places |= _matrices(layer, chosen, as_bytes=reads_bytes(chosen[0], lowered))
    return places


def is_exact(op: Product, lowered: Lowered) -> bool:
    """Whether a product in this layout has the bits of its definition.

    What leaves the layer or becomes a state lies in a vector of its own, and is not for it.
    """
    if op.result in (lowered.output.name, *lowered.new_states):
        return False
    if op.rescale.rounding != "requantize64" or op.rescale.limits != INT16 or _right(op) < 1:
        return False
    bias = 0 if op.bias is None else np.abs(op.bias)
    sums = LARGEST[reads_bytes(op, lowered)] * np.abs(op.weight.astype(np.int64)).sum(1) + bias
    return int(sums.max()) < 2**31


def _input(op: Product) -> str:
    return op.args[0]


def _right(op: Product) -> int:
    return 15 - int(op.rescale.numbers[1])


def _matrices(layer: Layer, ops: Sequence[Product], *, as_bytes: bool) -> Places:
    """One call for matrices that read one vector, one behind the other."""
    arg, columns = layer.named(ops[0].args[0]), ops[0].weight.shape[1]
    streams = np.concatenate([_streams(op, as_bytes=as_bytes) for op in ops])
    rows = GROUP * len(streams)
    blocks = -(-rows // BLOCK)
    streams = np.pad(streams, ((0, blocks * BLOCK // GROUP - len(streams)), (0, 0)))
    streams[rows // GROUP :, -1] = -1  # a shift of rows that are not there
    called = f"{layer.part.name}_{ops[0].result}"
    stream = layer.constants.array(f"{called}_stream", streams)
    fields = (stream, str(columns), str(blocks))
    description = layer.constants.description("edgelstm_a64_rows", called, fields)
    result = f"{ops[0].result}_rows"
    vector, work = layer.named(result), layer.named(f"{ops[0].result}_work")
    layer.sizes[vector] = blocks * BLOCK
    layer.sizes[work] = padded(columns) // 2 if as_bytes else padded(columns)
    kind, place = ("s8", f"{{words {work}}}") if as_bytes else ("s16", f"{{{work}}}")
    text = f"edgelstm_a64_rows_{kind}(&{description}, {{{arg}}}, {{{vector}}}, {place});"
    layer.part.calls.append(Call(text, (arg,), (vector, work), kernels=KERNELS))
    ends = itertools.accumulate((padded(len(op.weight)) for op in ops), initial=0)
    return {op.result: (result, 1, begin) for op, begin in zip(ops, ends, strict=False)}


def _streams(op: Product, *, as_bytes: bool) -> NDArray[np.int32]:
    """(rows / 4, words): four biases, weights, multiplier and shift."""
    rows, columns = op.weight.shape
    more = padded(rows) - rows
    bias = np.zeros(rows, np.int64) if op.bias is None else op.bias.astype(np.int64)
    weights = np.pad(op.weight.astype(np.int64), ((0, more), (0, 0)))
    blocks = weights.reshape(-1, GROUP, columns).transpose(0, 2, 1)
    numbers = (multiplier16(op.rescale.numbers[0]), -_right(op))
    parts = (
        np.pad(bias, (0, more)).reshape(-1, GROUP),
        words_of(blocks) if as_bytes else columns_of(blocks),
        np.tile(np.array(numbers, np.int64), (len(blocks), 1)),
    )
    return np.concatenate(parts, 1).astype(np.int32)
