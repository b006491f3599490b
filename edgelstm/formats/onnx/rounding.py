"""The roundings of `fixedpoint` in standard ONNX operators on int64."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.onnx.graph import Graph
from edgelstm.quantization.fixedpoint import multiplier16
from edgelstm.quantization.operations import Limits, Rescale

Int64s = NDArray[np.int64]


def rescaled(graph: Graph, scope: str, x: str, numbers: Any, to: Rescale) -> str:
    """Adds what a `Rescale` does; returns the name of the result.

    Args:
        graph: Takes the nodes.
        scope: In front of their names.
        x: Name of the int64 accumulators.
        numbers: Multiplier and shift; of many rows (..., 2), on axes that x has.
        to: Their rounding, and what stands behind it.
    """
    q, shift = np.moveaxis(np.array(numbers, np.int64), -1, 0)
    x = ROUNDINGS[to.rounding](graph, scope, x, q, shift)
    if to.zero_point:
        x = graph("Add", x, graph.constant(to.zero_point), scope=scope)
    return x if to.limits is None else limited(graph, scope, x, to.limits)


def limited(graph: Graph, scope: str, x: str, limits: Limits) -> str:
    """Adds a saturation."""
    low, high = (graph.constant(limit) for limit in limits)
    return graph("Clip", x, low, high, scope=scope)


def _requantize(graph: Graph, scope: str, x: str, q: Int64s, shift: Int64s) -> str:
    """No value leaves int32, shifted left neither: quantization guards that."""
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    if left.any():
        x = graph("Mul", x, graph.constant(np.int64(1) << left), scope=scope)
    # (x q + 2^30) >> 31: Div truncates, so 2^62 keeps the sum positive and is taken off behind it
    product = graph("Mul", x, graph.constant(q), scope=scope)
    raised = graph("Add", product, graph.constant(2**62 + 2**30), scope=scope)
    quotient = graph("Div", raised, graph.constant(2**31), scope=scope)
    x = graph("Sub", quotient, graph.constant(2**31), scope=scope)
    if right.any():
        # ties away from zero: half of the divisor, with the sign of x, before Div truncates
        half = graph.constant((np.int64(1) << right) >> 1)
        signed = graph("Mul", graph("Sign", x, scope=scope), half, scope=scope)
        x = graph("Add", x, signed, scope=scope)
        x = graph("Div", x, graph.constant(np.int64(1) << right), scope=scope)
    return x


def _requantize64(graph: Graph, scope: str, x: str, q: Int64s, shift: Int64s) -> str:
    """The sums stay below 2^47, so their products with 16 bits do not leave int64."""
    factor = np.vectorize(multiplier16, otypes=[np.int64])(q)
    product = graph("Mul", x, graph.constant(factor), scope=scope)
    product = graph("Add", product, graph.constant(np.int64(1) << (14 - shift)), scope=scope)
    # Div truncates: what Mod, with the sign of the divisor, leaves over is taken off before
    divisor = graph.constant(np.int64(1) << (15 - shift))
    rest = graph("Mod", product, divisor, scope=scope)
    return graph("Div", graph("Sub", product, rest, scope=scope), divisor, scope=scope)


# The roundings of TFLM, whose arithmetic files have.
ROUNDINGS: dict[str, Callable[[Graph, str, str, Int64s, Int64s], str]] = {
    "requantize": _requantize,
    "requantize64": _requantize64,
}
