"""What stands around recurrent layers, as ONNX's operators: readings of the steps, norms, tables.

Values of each step are (steps, batch, size), what is read of them (batch, size).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from edgelstm.formats.onnx.equations import OPERATORS
from edgelstm.formats.onnx.graph import Graph, onnx_type
from edgelstm.layers.activation import Activation, LayerNorm
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.scales import Scale

FIRST = -(2**31)  # where a Slice ends that goes down to the first entry


def read_steps(graph: Graph, layer: ReadSteps, y: str, kind: str) -> str:
    """Adds what is read of y, of a NumPy type; returns its name."""
    found = [READ[name](graph, layer, y, kind) for name in layer.reads]
    return found[0] if len(found) == 1 else graph("Concat", *found, scope=layer.name, axis=1)


def _step(graph: Graph, layer: ReadSteps, y: str, index: int) -> str:
    return graph("Gather", y, graph.constant(index), scope=layer.name, axis=0)


def _finals(graph: Graph, layer: ReadSteps, y: str, kind: str) -> str:
    half, axis = layer.size // 2, graph.constant([1])
    halves = [
        graph(
            "Slice",
            _step(graph, layer, y, index),
            graph.constant([start]),
            graph.constant([start + half]),
            axis,
            scope=layer.name,
        )
        for index, start in ((-1, 0), (0, half))
    ]
    return graph("Concat", *halves, scope=layer.name, axis=1)


def _mean(graph: Graph, layer: ReadSteps, y: str, kind: str) -> str:
    return graph("ReduceMean", y, graph.constant([0]), scope=layer.name, keepdims=0)


def _max(graph: Graph, layer: ReadSteps, y: str, kind: str) -> str:
    """Of integers as int32: ONNX Runtime has no others of all widths."""
    is_real = kind == "float32"
    wide = y if is_real else graph("Cast", y, scope=layer.name, to=onnx_type("int32"))
    found = graph("ReduceMax", wide, graph.constant([0]), scope=layer.name, keepdims=0)
    return found if is_real else graph("Cast", found, scope=layer.name, to=onnx_type(kind))


def _flatten(graph: Graph, layer: ReadSteps, y: str, kind: str) -> str:
    turned = graph("Transpose", y, scope=layer.name, perm=[1, 0, 2])
    shape = graph.constant([0, layer.size * (layer.steps or 1)])
    return graph("Reshape", turned, shape, scope=layer.name)


READ: dict[str, Callable[[Graph, ReadSteps, str, str], str]] = {
    "last": lambda graph, layer, y, kind: _step(graph, layer, y, -1),
    "mean": _mean,
    "max": _max,
    "finals": _finals,
    "flatten": _flatten,
}


def repeat(graph: Graph, layer: Repeat, x: str) -> str:
    """Adds the steps, each of them x (batch, size)."""
    row = graph("Unsqueeze", x, graph.constant([0]), scope=layer.name)
    return graph("Expand", row, graph.constant([layer.steps, 1, 1]), scope=layer.name)


def reversed_steps(graph: Graph, x: str, scope: str) -> str:
    """Adds x (steps, ...) from the last step to the first."""
    ends = (graph.constant([end]) for end in (-1, FIRST, 0, -1))
    return graph("Slice", x, *ends, scope=scope)


def activation(graph: Graph, layer: Activation, x: str) -> str:
    """Adds a function of each value, or of all values of a step."""
    scope, numbers, function = layer.name, layer.constants, layer.function
    if function in OPERATORS:
        operator, attributes = OPERATORS[function]
        return graph(operator, x, scope=scope, **attributes)
    if function == "l2_norm":
        length = graph("ReduceL2", x, graph.constant([-1]), scope=scope, keepdims=1)
        length = graph("Max", length, graph.constant(numbers[0]), scope=scope)
        return graph("Div", x, length, scope=scope)
    if function == "clamp":
        return graph("Clip", x, *map(graph.constant, numbers), scope=scope)
    operator, names = NAMED[function]
    return graph(operator, x, scope=scope, **dict(zip(names, map(float, numbers), strict=True)))


# Function to its operator, and what that calls the function's numbers.
NAMED: dict[str, tuple[str, tuple[str, ...]]] = {
    "leaky_relu": ("LeakyRelu", ("alpha",)),
    "elu": ("Elu", ("alpha",)),
    "hard_sigmoid": ("HardSigmoid", ("alpha", "beta")),
}


def layer_norm(graph: Graph, layer: LayerNorm, x: str) -> str:
    """Adds a LayerNormalization."""
    weights = [graph.constant(a, f"{layer.name}/{k}") for k, a in layer.arrays.items()]
    return graph("LayerNormalization", x, *weights, scope=layer.name, epsilon=float(layer.eps))


def embedding(graph: Graph, layer: Embedding, x: str, into: Scale | None) -> str:
    """Adds rows (batch, steps, size) for indices (batch, steps); integers of scale `into`."""
    table: Any = layer.weight
    if into is not None:
        stored = quantize_reals(table, into.scale, into.zero_point, into.limits)
        table = stored.astype(into.type)
    return graph("Gather", graph.constant(table, f"{layer.name}/weight"), x, scope=layer.name)


def normalised(graph: Graph, x: str, mean: Any, std: Any) -> str:
    """Adds ``(x - mean) / std``."""
    centred = graph("Sub", x, graph.constant(np.asarray(mean), "input_mean"), scope="x")
    return graph("Div", centred, graph.constant(np.asarray(std), "input_std"), scope="x")
