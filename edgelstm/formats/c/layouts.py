"""LAYOUTS: how the weights of a fused int8 LSTM lie, and the kernel that reads them.

A layer that a layout cannot hold exactly takes the portable one, and the plan says why.
"""

import functools
from collections.abc import Callable

import numpy as np

from edgelstm.formats.c.a64 import a64_refusal, append_a64
from edgelstm.formats.c.a64_rows import append_a64_rows
from edgelstm.formats.c.dsp import append_dsp, dsp_refusal
from edgelstm.formats.c.helium import append_helium, helium_refusal
from edgelstm.formats.c.integers import Way, append_integers, one_by_one
from edgelstm.formats.c.layer import Layer
from edgelstm.formats.c.lstm import Numbers, lstm_fields, lstm_refusal, numbers_of, own_call
from edgelstm.formats.c.numbers import small_table
from edgelstm.formats.c.pairs import pairs
from edgelstm.formats.c.rows import append_rows
from edgelstm.quantization.operations import Lowered

PORTABLE = "columns"


def append_lstm(layer: Layer, lowered: Lowered, layout: str) -> str:
    """The calls of one layer; returns the name of its output in the whole network."""
    for state in lowered.states:
        layer.keep(state.name)
    numbers = numbers_of(lowered)
    if told := lstm_refusal(numbers):
        append_operations(layer, lowered, layout)
        layer.part.why += f"; {told}"
        return layer.named(lowered.output.name)
    refused = REFUSALS[layout](numbers) if layout in REFUSALS else None
    taken = PORTABLE if refused else layout
    layer.part.why = f"{taken}: {refused or WHY[taken]}"
    LAYOUTS[taken](layer, numbers)
    return layer.named("h")


def append_operations(layer: Layer, lowered: Lowered, layout: str) -> str:
    """The calls of a layer by its list; returns the name of its output in the whole network."""
    layer.part.why = f"its list of operations: {IN_ASSEMBLY if layout in WAYS else 'plain C'}"
    return append_integers(layer, lowered, WAYS.get(layout, PLAIN))


PLAIN = Way(one_by_one, small_table, at_once=False)
WAYS = {
    "dsp": Way(append_rows, pairs, at_once=True),
    "helium": Way(append_rows, pairs, at_once=True),
    "a64": Way(append_a64_rows, pairs, at_once=True),
}
IN_ASSEMBLY = "products in assembly, matrices that read one vector at once"


def _columns(layer: Layer, numbers: Numbers) -> None:
    name = layer.part.name
    both = np.concatenate([numbers.weights("ih"), numbers.weights("hh")], 1)
    weight = layer.constants.array(f"{name}_weight", both.astype(np.int8))
    called = layer.constants.description("edgelstm_lstm", name, lstm_fields(layer, numbers, weight))
    text = f"edgelstm_lstm_s8(&{called}, <x>, <h>, <c>, <work>);"
    own_call(layer, text, numbers.units, "edgelstm_lstm.c", "edgelstm_ends.c")


def _words(layer: Layer, numbers: Numbers, offset: int = 0) -> None:
    name = layer.part.name
    both = np.concatenate([numbers.weights("ih"), numbers.weights("hh")], 1).astype(np.int64)
    stored = ((both + offset) % 256).astype(np.uint8)
    weight = layer.constants.array(f"{name}_weight", stored.reshape(-1).view("<u2"))
    lstm = "{" + ", ".join(lstm_fields(layer, numbers, "0")) + "}"
    fields = (lstm, weight)
    called = layer.constants.description("edgelstm_words_lstm", name, fields)
    kernel = f"words{offset or ''}"
    text = f"edgelstm_{kernel}_lstm_s8(&{called}, <x>, <h>, <c>, <words work>);"
    own_call(layer, text, 2 * (numbers.inputs + numbers.units), "edgelstm_words_lstm.c")


LAYOUTS: dict[str, Callable[[Layer, Numbers], None]] = {
    PORTABLE: _columns,
    "dsp": append_dsp,
    "helium": append_helium,
    "words": _words,
    "words128": functools.partial(_words, offset=128),
    "a64": append_a64,
}
REFUSALS: dict[str, Callable[[Numbers], str | None]] = {
    "dsp": dsp_refusal,
    "helium": helium_refusal,
    "a64": a64_refusal,
}
WHY = {
    PORTABLE: "plain C for any core, of each input value the four gates of a unit",
    "dsp": "three instructions for four products, in assembly",
    "helium": "sixteen columns at once, products in assembly",
    "words": "inputs as words, eight columns to a turn",
    "words128": "inputs as words, eight columns to a turn, weights without a sign",
    "a64": "four units at a time, all of a step in assembly",
}
