"""From a WHILE to the recurrent layer that it runs over all steps."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.following.matched import Matched, matched
from edgelstm.formats.following.terms import Factor, Sum, single
from edgelstm.formats.tflite.looped.body import follow
from edgelstm.formats.tflite.looped.trips import trips
from edgelstm.formats.tflite.looped.values import (
    Collected,
    Index,
    Steps,
    Value,
    Written,
    numbers,
)
from edgelstm.formats.tflite.model import WAY_OUT, Graph, Operator, Tensor
from edgelstm.layers.recurrent import Direction


@dataclasses.dataclass(frozen=True, eq=False)
class Loop:
    """A layer, and what the loop gives of it.

    Attributes:
        matched: Its cell and weights.
        gives: Place among the WHILE's outputs to `each` step's output or the `last` one's.
        has_integers: Whether weights are stored as int8.
    """

    matched: Matched
    gives: Mapping[int, str]
    has_integers: bool

    def direction(self, name: str) -> Direction:
        """The layer."""
        found, weights = self.matched, self.matched.weights
        return Direction(
            name,
            found.cell_name,
            weights["weight_ih"],
            weights["weight_hh"],
            weights["bias_ih"],
            weights["bias_hh"],
            nonlinearity=found.nonlinearity,
        )


def read_loop(op: Operator, graphs: Sequence[Graph], x: Tensor, size: tuple[int, int]) -> Loop:
    """What a WHILE computes over the sequence x.

    Args:
        op: The operator.
        graphs: Of the whole file.
        x: One of its inputs, (steps, 1, values).
        size: Steps and values of x.

    Raises:
        ModelError: Anything else than a recurrent layer from zero states over all steps.
    """
    try:
        return _loop(op, graphs, x, size)
    except ModelError as error:
        raise ModelError(f"{error}; {WAY_OUT}") from None


def _loop(op: Operator, graphs: Sequence[Graph], x: Tensor, size: tuple[int, int]) -> Loop:
    condition, body = (_graph(op, graphs, f"{what}_graph") for what in ("condition", "body"))
    if x.type != "float32":
        raise ModelError(f"its sequence is {x.type}; loops of float32 are read")
    if x.shape != (size[0], 1, size[1]):
        raise ModelError(f"its sequence has shape {x.shape}; (steps, 1, values) is read")
    if len(body.outputs) != len(op.inputs) or len(op.outputs) != len(op.inputs):
        raise ModelError(f"it carries {len(op.inputs)} values, but gives {len(body.outputs)}")
    given = [
        _given(k, tensor, inner, result, x, size)
        for k, (tensor, inner, result) in enumerate(
            zip(op.inputs, body.inputs, body.outputs, strict=True)
        )
    ]
    new = follow(body, given)
    for before, after in zip(given, new, strict=True):
        if isinstance(before, np.ndarray) and not _counts_on(before, after):
            raise ModelError("it counts otherwise than by one in each step")
    count = trips(condition, given)
    if count != size[0]:
        raise ModelError(f"it runs {count:,} times over a sequence of {size[0]:,} steps")
    stored = {t.type for op in body.operators for t in op.inputs if t and t.data is not None}
    stored |= {t.type for t in given if isinstance(t, Tensor)}
    return dataclasses.replace(_read(given, new, count), has_integers="int8" in stored)


def _graph(op: Operator, graphs: Sequence[Graph], which: str) -> Graph:
    place = op.options[which]
    if not 0 < place < len(graphs):
        raise ModelError(f"its {which} is number {place} of {len(graphs)} graphs")
    graph: Graph = graphs[place]
    if len(graph.inputs) != len(op.inputs):
        raise ModelError(
            f"its {which} takes {len(graph.inputs)} values; the loop has {len(op.inputs)}"
        )
    return graph


def _given(
    place: int,
    tensor: Tensor | None,
    inner: Tensor,
    result: Tensor,
    x: Tensor,
    size: tuple[int, int],
) -> Value:
    """What an input of the body stands for when a step begins."""
    if tensor is None:
        raise ModelError("one of its inputs is absent")
    if result is inner:
        return Steps(*size) if tensor is x else tensor
    if tensor is x:
        raise ModelError("its sequence changes from step to step")
    if tensor.data is None:
        raise ModelError(f"it starts from tensor '{tensor.name}', which is computed; zero is read")
    if tensor.type == "int32" and tensor.data.size == 1:
        start = np.empty((), object)
        start[()] = Index(int(tensor.data.item()))
        return start
    if tensor.type != "float32":
        raise ModelError(f"it carries {tensor.type} from step to step; float32 is read")
    if len(tensor.shape) == 3 and tensor.shape[1] == 1:
        return Collected(tensor.shape[0], tensor.shape[2])
    if len(tensor.shape) != 2 or tensor.shape[0] != 1 or tensor.data.any():
        raise ModelError(
            f"its state '{inner.name}' of shape {tensor.shape} does not start as a row of zeros"
        )
    return single(Factor("state", place), tensor.shape[1])


def _counts_on(before: Any, after: Value) -> bool:
    try:
        found = numbers(after)
    except ModelError:
        return False
    return found.size == 1 and found.item() == before.item() + 1


def _read(given: Sequence[Value], new: Sequence[Value], steps: int) -> Loop:
    """The cell of the states, and which values are its output."""
    places = [k for k, value in enumerate(given) if isinstance(value, Sum)]
    made = [new[k] for k in places]
    if not all(
        isinstance(v, Sum) and v.size == given[k].size for k, v in zip(places, made, strict=True)
    ):
        raise ModelError("its states change their kind or size from step to step")
    factors = [next(iter(given[k].terms))[0] for k in places]
    found = matched(factors, made)
    h = made[found.states[0]]
    gives = {places[found.states[0]]: "last"}
    for k, (before, after) in enumerate(zip(given, new, strict=True)):
        if not isinstance(before, Collected):
            continue
        whole = isinstance(after, Written) and after.of is before and before.steps == steps
        if whole and after.row is h:
            gives[k] = "each"
        elif after is h and before.steps == 1:
            gives[k] = "last"
        else:
            raise ModelError("it collects something else than the output of each step")
    return Loop(found, gives, has_integers=False)
