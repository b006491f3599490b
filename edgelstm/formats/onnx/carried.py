"""States that a graph takes as inputs and gives as outputs: a streaming model's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgelstm.formats.onnx.part import INITIAL, STATES, VIEWS, is_recurrent, name_of

if TYPE_CHECKING:
    import onnx

Site = tuple[str, str]  # a node's name, "h" or "c"
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
