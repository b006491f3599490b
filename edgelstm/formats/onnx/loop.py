"""A recurrent layer as a loop: one Scan per direction, whose body is a step of its operations.

What the loops of all precisions share: states, ends, directions, names of stored arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from edgelstm.cells.spec import Op
from edgelstm.formats.onnx.graph import Graph, value_info
from edgelstm.layers.directions import is_bidirectional
from edgelstm.layers.recurrent import D, Recurrent
from edgelstm.quantization.operations import Product, Stored

if TYPE_CHECKING:
    import onnx

Affine = TypeVar("Affine", Op, Product)
LETTERS = {"ih": "W", "hh": "R", "hr": "projection"}


def groups(affines: Iterable[Affine]) -> list[tuple[Affine, ...]]:
    """Together those that multiply one value by one matrix."""
    together: dict[object, list[Affine]] = {}
    for op in affines:
        together.setdefault((op.side, op.args), []).append(op)
    return [tuple(ops) for ops in together.values()]


def stack_names(layer: str, group: Sequence[Op] | Sequence[Product]) -> tuple[str, str]:
    """What a group's stacked weights and biases are called: ``lstm1/W_ifgo``, ``lstm1/Wb_ifgo``."""
    letter = LETTERS[str(group[0].side)]
    gates = "".join(op.gate for op in group if op.gate)
    gates = f"_{gates}" if gates else ""
    return f"{layer}/{letter}{gates}", f"{layer}/{letter}b{gates}"


def peephole_name(layer: str, result: str) -> str:
    """What the weights are called that a traced `scale` with this result multiplies by."""
    return f"{layer}/{result}_peephole"


Ends = tuple[str, list[str]]


def each_direction(
    graph: Graph,
    layer: Recurrent[D],
    states: Sequence[str],
    loop: Callable[[D, Sequence[str], bool], Ends],
) -> Ends:
    """The loop of a layer, or those of both directions, with their outputs side by side.

    Args:
        graph: Takes the nodes.
        layer: Of one or two directions.
        states: Names of the states before the first step, those of the forward direction first;
            none: where each begins.
        loop: Adds the loop of a direction from such states, the last step first or not.

    Returns:
        Names of the output (steps, batch, output_size) and of the states after each direction's
        last step.
    """
    if not is_bidirectional(layer):
        return loop(layer.forward, states, False)
    forward, backward = layer.directions
    half = len(states) // 2
    there, ends = loop(forward, states[:half], False)
    back, others = loop(backward, states[half:], True)
    return graph("Concat", there, back, scope=layer.name, axis=2), [*ends, *others]


def add_loop(
    graph: Graph,
    name: str,
    states: Sequence[Stored],
    seen: Mapping[str, Stored],
    step: Callable[[Graph], Sequence[str]],
    *,
    given: Sequence[str],
    reverse: bool,
) -> Ends:
    """Adds a Scan; its first state is its output.

    Args:
        graph: Takes the nodes.
        name: Of the direction.
        states: Kept from step to step.
        seen: Name of a value of all steps (steps, batch, size) to what each step sees of it.
        step: Adds the nodes of a step, in which states and what it sees are called
            ``name/value``; returns the names of the new states.
        given: Names of the states before the first step; none: their zero points.
        reverse: From the last step to the first.

    Returns:
        As `each_direction`.
    """
    begin = given or _starts(graph, name, states, next(iter(seen)))
    ends = [f"{name}/{state.name}_end" for state in states]
    backwards = {"scan_input_directions": [1] * len(seen), "scan_output_directions": [1]}
    graph.add(
        "Scan",
        [*begin, *seen],
        [*ends, f"{name}/Y"],
        name=name,
        body=_body(graph.body(), name, states, [*seen.values()], step),
        num_scan_inputs=len(seen),
        **(backwards if reverse else {}),
    )
    return f"{name}/Y", ends


def _body(
    body: Graph,
    name: str,
    states: Sequence[Stored],
    seen: Sequence[Stored],
    step: Callable[[Graph], Sequence[str]],
) -> onnx.GraphProto:
    inputs = [_info(f"{name}/{v.name}", v) for v in (*states, *seen)]
    new = [*_once(body, name, step(body), {value.name for value in inputs})]
    new.append(body("Identity", new[0], scope=name))
    outputs = [_info(end, v) for end, v in zip(new, (*states, states[0]), strict=True)]
    return body.proto(f"{name}/step", inputs, outputs, constants=False)


def _info(name: str, value: Stored) -> onnx.ValueInfoProto:
    return value_info(name, value.type, ("batch", value.size))


def _once(body: Graph, name: str, values: Sequence[str], taken: set[str]) -> Iterator[str]:
    """The values under names of their own: an output of a body stands there once."""
    for value in values:
        own = body("Identity", value, scope=name) if value in taken else value
        taken |= {own}
        yield own


def _starts(graph: Graph, name: str, states: Sequence[Stored], x: str) -> list[str]:
    """Adds every state at its zero point, for as many sequences as x (steps, batch, ...) holds."""
    from onnx.numpy_helper import from_array

    batch = graph("Shape", x, scope=name, start=1, end=2)
    shapes = {
        size: graph("Concat", batch, graph.constant([size]), scope=name, axis=0)
        for size in dict.fromkeys(s.size for s in states)
    }
    values = [from_array(np.array([s.zero_point], s.type)) for s in states]
    return [
        graph("ConstantOfShape", shapes[state.size], scope=name, value=value)
        for state, value in zip(states, values, strict=True)
    ]
