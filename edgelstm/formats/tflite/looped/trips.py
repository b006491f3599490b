"""How often a loop's body runs, from the graph that is its condition."""

from collections.abc import Sequence

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.looped.values import Index, Value, numbers
from edgelstm.formats.tflite.model import Graph, Tensor

NEEDED = "a loop that runs once for each step, by constants, is read"


def trips(graph: Graph, given: Sequence[Value]) -> int:
    """How often a condition holds that asks whether counters are below constants."""
    limits: dict[int, int] = {}  # tensor to the step from which on it is false
    values = dict(zip(map(id, graph.inputs), given, strict=True))
    for op in graph.operators:
        if len(op.inputs) != 2 or len(op.outputs) != 1:
            raise ModelError(f"its condition holds {op.name}; {NEEDED}")
        if op.name == "LESS":
            limits[id(op.outputs[0])] = _below(*(_value(t, values) for t in op.inputs))
        elif op.name == "LOGICAL_AND" and all(id(t) in limits for t in op.inputs):
            limits[id(op.outputs[0])] = min(limits[id(t)] for t in op.inputs)
        else:
            raise ModelError(f"its condition holds {op.name}; {NEEDED}")
    if len(graph.outputs) != 1 or id(graph.outputs[0]) not in limits:
        raise ModelError(f"its condition is no comparison; {NEEDED}")
    return limits[id(graph.outputs[0])]


def _value(tensor: Tensor | None, values: dict[int, Value]) -> Value:
    return values.get(id(tensor), tensor)


def _below(counter: Value, limit: Value) -> int:
    """The step from which on a counter is no longer below a constant."""
    try:
        one, other = numbers(counter), numbers(limit)
    except ModelError:
        raise ModelError(f"its number of steps is computed; {NEEDED}") from None
    if one.size != 1 or other.size != 1 or not isinstance(one.item(), Index):
        raise ModelError(f"its condition compares something else than a counter; {NEEDED}")
    if isinstance(other.item(), Index):
        raise ModelError(f"its number of steps is computed; {NEEDED}")
    return int(np.int64(other.item()) - one.item().ahead)
