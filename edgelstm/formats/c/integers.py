"""Integer operations as C: products of matrices, and of all between them a loop over the units.

Reads the list of `lower`, and knows no scale and no cell. Values are int16 less their zero points,
so that a zero point moves the limits of what is rescaled, and the place in a table of 256 entries.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from edgelstm.formats.c.calls import Call
from edgelstm.formats.c.layer import Layer
from edgelstm.formats.c.loops import ARITHMETIC, Activation, Loop, schedule
from edgelstm.formats.c.numbers import rescale_fields
from edgelstm.quantization.operations import Lowered, Product

AFFINE = "edgelstm_affine.c"

# Result of a product to a vector, the elements of a unit in it, and its own.
Places = dict[str, tuple[str, int, int]]
# Appends the products of a stage; gives where each result lies.
Products = Callable[[Layer, Sequence[Product], Lowered], Places]


@dataclasses.dataclass(frozen=True)
class Way:
    """How a core computes a list of operations.

    Attributes:
        products: Of matrices.
        activation: The C of a sigmoid or tanh.
        at_once: Whether products that read one vector run together.
    """

    products: Products
    activation: Activation
    at_once: bool


def append_integers(layer: Layer, lowered: Lowered, way: Way) -> str:
    """The calls of a lowered layer; returns the name of its output in the whole network."""
    for state in lowered.states:
        layer.keep(state.name)
    plan = schedule(lowered, at_once=way.at_once)
    layer.part.before += (f'#include "{ARITHMETIC}"',)
    for value, other in plan.same.items():
        layer.same(value, other, layer.size(other))
    for stage in plan.stages:
        for size, ops in stage.loops.items():
            loop = Loop(layer, ops, plan, lowered.scales, way.activation)
            layer.part.calls.append(loop.call(size))
        if stage.products:
            plan.places |= way.products(layer, stage.products, lowered)
    layer.become(tuple(state.name for state in lowered.states), lowered.new_states)
    return layer.named(lowered.output.name)


def reads_bytes(op: Product, lowered: Lowered) -> bool:
    """Whether its input is x or a state of int8, whose zero points are 0 where products do so."""
    small = {s.name for s in (lowered.input, *lowered.states) if s.type == "int8"}
    return op.args[0].removesuffix("_wide") in small


def one_by_one(layer: Layer, ops: Sequence[Product], lowered: Lowered) -> Places:
    """Products in plain C, each with a result of its own."""
    for op in ops:
        _product(layer, op)
    return {op.result: (op.result, 1, 0) for op in ops}


def _product(layer: Layer, op: Product) -> None:
    rows, columns = op.weight.shape
    called = f"{layer.part.name}_{op.result}"
    constants = layer.constants
    weight = constants.array(f"{called}_weight", op.weight)
    sums = "64" if op.rescale.rounding == "requantize64" else ""
    kind = np.int64 if sums else np.int32
    bias = "0" if op.bias is None else constants.array(f"{called}_bias", op.bias.astype(kind))
    fields = (weight, bias, str(rows), str(columns), rescale_fields(op.rescale))
    description = constants.description(f"edgelstm_affine{sums}", called, fields)
    reads, gives = layer.named(op.args[0]), layer.named(op.result)
    layer.sizes[gives] = rows
    text = f"edgelstm_affine{sums}_s16(&{description}, {{{reads}}}, {{{gives}}});"
    layer.part.calls.append(Call(text, (reads,), (gives,), kernels=(AFFINE,)))
