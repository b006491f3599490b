"""States that a graph takes as inputs and gives as outputs: a streaming model's.

While a graph is followed such an input is a `State`, the places of its values, moved by views
alone. What a recurrent node gives back for a state lies where that lay in the input, so that an
output is the input of the next call where all places are as they were.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.following.symbolic import Norm, Signal, State, Unread
from edgelstm.formats.onnx.folding import fold
from edgelstm.formats.onnx.part import INITIAL, STATES, VIEWS, is_recurrent, name_of

if TYPE_CHECKING:
    import onnx

MOST_VALUES, SMALL = 2**20, 2  # of a state; of its batch where more would be too many
Run = Callable[["onnx.NodeProto", Mapping[str, Any]], Sequence[Any]]
Site = tuple[str, str]  # a node's name, "h" or "c"
UNCHANGED = (
    "a state goes unchanged from an input to its layer, and from there to an output that is that "
    "input in the next call"
)
# What a state goes through unchanged, with how many of its inputs are states
THROUGH = {name: 1 for name in (*VIEWS, "Slice", "Split", "Gather")} | {"Concat": 2**31}


def carried(graph: onnx.GraphProto) -> dict[str, str]:
    """Inputs that reach initial states through views alone, to the outputs that give them anew.

    An input and an output belong together where they hold the same states of the same nodes.
    """
    makers = {name: node for node in graph.node for name in node.output if name}
    inputs = {value.name for value in graph.input} - {t.name for t in graph.initializer}
    begins: dict[str, set[Site]] = {}
    for node in filter(is_recurrent, graph.node):
        given = node.input[INITIAL:]
        for state, name in zip(STATES[node.op_type], given, strict=False):
            for source in _sources(name, makers):
                if source in inputs:
                    begins.setdefault(source, set()).add((name_of(node), state))
    gives = {value.name: _sites(value.name, makers) for value in graph.output}
    found = {
        name: next((out for out, ends in gives.items() if ends == sites), None)
        for name, sites in begins.items()
    }
    return {name: out for name, out in found.items() if out is not None}


def _sources(name: str, makers: dict[str, onnx.NodeProto]) -> set[str]:
    """What a value is made of through views: values that no view makes."""
    found, waiting, seen = set(), [name], set[str]()
    while waiting:
        name = waiting.pop()
        node = makers.get(name)
        if name in seen or not name:
            continue
        seen.add(name)
        if node is not None and node.op_type in THROUGH:
            waiting += node.input[: THROUGH[node.op_type]]
        else:
            found.add(name)
    return found


def _sites(name: str, makers: dict[str, onnx.NodeProto]) -> set[Site]:
    """The final states that a value consists of; none where it holds anything else."""
    sites: set[Site] = set()
    for source in _sources(name, makers):
        node = makers.get(source)
        if node is None or not is_recurrent(node) or source == node.output[0]:
            return set()
        states: Sequence[str] = STATES[node.op_type]
        place = list(node.output).index(source) - 1
        if place >= len(states):
            return set()
        sites.add((name_of(node), states[place]))
    return sites


def begin(value: onnx.ValueInfoProto, named: Mapping[str, int], batch: int) -> State:
    """The state of an input.

    Args:
        value: The input.
        named: Sizes of axes by their names in the file.
        batch: The size of other axes that are free.
    """
    dims = value.type.tensor_type.shape.dim
    shape = [d.dim_value or named.get(str(d.dim_param), batch) for d in dims]
    if math.prod(shape) > MOST_VALUES:
        shape = [d.dim_value or SMALL for d in dims]
    if not shape or min(shape) < 1 or math.prod(shape) > MOST_VALUES:
        raise ModelError(f"input '{value.name}' has shape {tuple(shape)}, which no state has")
    return State(value.name, np.arange(math.prod(shape)).reshape(shape))


def viewed(operator: str, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """A view of a state, or its shape; `ModelError` where an operator computes with it."""
    names = list(dict.fromkeys(value.name for value in inputs if isinstance(value, State)))
    moved = [value.places if isinstance(value, State) else value for value in inputs]
    known = all(value is None or isinstance(value, np.ndarray) for value in moved)
    if not known or operator not in (*THROUGH, "Shape"):
        raise ModelError(f"computes with the input '{names[0]}'; {UNCHANGED}")
    if len(names) > 1:
        raise ModelError(f"joins the inputs {', '.join(names)}; the states of one input are read")
    made = fold(operator, moved, attributes)
    if operator == "Shape":
        return made
    if isinstance(made, tuple):
        return tuple(State(names[0], one) for one in made)
    return State(names[0], made)


def check_given_back(
    own: Mapping[str, str],
    followed: Iterable[onnx.NodeProto],
    returned: Iterable[onnx.NodeProto],
    values: Mapping[str, Any],
    run: Run,
) -> None:
    """`ModelError` unless the states of all layers are inputs, and given back as they came.

    Args:
        own: Names of inputs to those of outputs.
        followed: The nodes that make the result.
        returned: Those that make the states, in the order of the graph.
        values: What is known of inputs, constants and the first of these nodes.
        run: What another node gives.
    """
    for node in filter(is_recurrent, followed):
        begun = [values.get(name) for name in node.input[INITIAL:]][: len(STATES[node.op_type])]
        if not begun or not all(isinstance(state, State) for state in begun):
            raise ModelError(
                f"node '{name_of(node)}' starts from zeros in each call, and others from inputs; "
                "one of both is needed for all layers"
            )
    known = dict(values)
    for node in returned:
        if is_recurrent(node):
            given: Sequence[Any] = _finals(node, values)
        else:
            inputs = [known.get(name) for name in node.input if name]
            leaves = any(value is None or isinstance(value, LEFT) for value in inputs)
            given = [Unread("")] * len(node.output) if leaves else run(node, known)
        known.update({n: v for n, v in zip(node.output, given, strict=False) if n})
    for name, output in own.items():
        found: Any = known.get(output)
        is_state = isinstance(found, State) and found.name == name
        if not is_state or not np.array_equal(found.places, values[name].places):
            raise ModelError(f"output '{output}' is not input '{name}' as it came; {UNCHANGED}")


LEFT = (Signal, Norm, Unread)  # what no state depends on but by its shape


def _finals(node: onnx.NodeProto, values: Mapping[str, Any]) -> list[Any]:
    """Y, then the final states, each where the state lay from which the layer began."""
    begun = [values.get(name) for name in node.input[INITIAL:]]
    return [Unread(""), *begun[: len(STATES[node.op_type])]]


def said(states: Iterable[Any], layer: str) -> list[str]:
    """What `Network.assumed` holds of a layer's initial states."""
    names = dict.fromkeys(f"'{state.name}'" for state in states if isinstance(state, State))
    what = f"is the state of layer '{layer}', which a Session keeps"
    return [f"{' and '.join(names)} {what}"] if names else []
