"""If: of a condition that is known, the one branch that is taken; graphs inside of nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelstm.errors import ModelError

if TYPE_CHECKING:
    import onnx

DEEPEST = 50


def needed(nodes: Iterable[onnx.NodeProto], outputs: Iterable[str]) -> tuple[onnx.NodeProto, ...]:
    """Those that outputs need, in their order; graphs inside of a node read what is outside."""
    wanted, kept = set(outputs), []
    for node in reversed(list(nodes)):
        if wanted.intersection(node.output):
            wanted |= names_read(node)
            kept.append(node)
    return tuple(reversed(kept))


def names_read(node: onnx.NodeProto) -> set[str]:
    """By a node and the graphs in it, also those that they write themselves."""
    return {*node.input, *_read_inside(node, DEEPEST)}


def _read_inside(node: onnx.NodeProto, deepest: int) -> Iterator[str]:
    for attribute in node.attribute:
        if not attribute.HasField("g"):
            continue
        if not deepest:
            raise ModelError(f"has more than {DEEPEST} graphs in graphs")
        yield from (output.name for output in attribute.g.output)
        for inner in attribute.g.node:
            yield from inner.input
            yield from _read_inside(inner, deepest - 1)


def taken(node: onnx.NodeProto, condition: Any) -> onnx.GraphProto:
    """The branch of an If; `ModelError` where its condition depends on the input's values."""
    if not isinstance(condition, np.ndarray) or condition.size != 1:
        raise ModelError("has a condition that is no constant; export the branch that is meant")
    name = "then_branch" if condition.all() else "else_branch"
    branches = [attribute.g for attribute in node.attribute if attribute.name == name]
    if len(branches) != 1:
        raise ModelError(f"has {len(branches)} graphs called {name}; one is needed")
    (branch,) = branches
    return branch  # type: ignore[no-any-return]
