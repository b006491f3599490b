"""Nodes of the opset that files are written in, as an older one says the same.

A node joins a graph whose opset it must share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from edgelstm.errors import ModelError
from edgelstm.formats.onnx.graph import Graph
from edgelstm.formats.onnx.part import bodies

if TYPE_CHECKING:
    import onnx

LEAST = {False: 11, True: 13}  # of real values, of integers: Clip of int64
BY_INPUT, BY_OUTPUTS, IN_PART = 13, 18, 15  # opset from which axes, num_outputs, start, end stand


def as_of(
    opset: int, nodes: Iterable[onnx.NodeProto], graph: Graph, *, is_integer: bool
) -> list[onnx.NodeProto]:
    """The nodes as a graph of that opset takes them.

    Args:
        opset: Of ONNX's own operators, in the graph that they join.
        nodes: Of opset 18.
        graph: Holds their constants.
        is_integer: Whether they compute on integers.

    Raises:
        ModelError: The opset lacks an operator.
    """
    least = LEAST[is_integer]
    if opset < least:
        raise ModelError(
            f"the file is of opset {opset}; for this precision {least} or newer is needed: "
            "onnx.version_converter.convert_version(model, 17) makes such a file"
        )
    return [made for node in nodes for made in _as_of(opset, node, graph)]


def _as_of(opset: int, node: onnx.NodeProto, graph: Graph) -> Iterator[onnx.NodeProto]:
    for body in bodies(node):
        older = [made for inner in body.node for made in _as_of(opset, inner, graph)]
        del body.node[:]
        body.node.extend(older)
    if node.op_type in ("Squeeze", "Unsqueeze") and opset < BY_INPUT:
        _axes_inside(node, graph)
    elif node.op_type == "Split" and opset < BY_OUTPUTS:
        _without(node, "num_outputs")
    elif node.op_type == "Shape" and opset < IN_PART and node.attribute:
        yield from _shape_in_part(node, graph)
        return
    yield node


def _axes_inside(node: onnx.NodeProto, graph: Graph) -> None:
    from onnx.helper import make_attribute
    from onnx.numpy_helper import to_array

    axes = to_array(graph.constants[node.input.pop()])
    node.attribute.append(make_attribute("axes", axes.tolist()))


def _without(node: onnx.NodeProto, name: str) -> dict[str, Any]:
    found = {a.name: a.i for a in node.attribute if a.name == name}
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)
    return found


def _shape_in_part(node: onnx.NodeProto, graph: Graph) -> Iterator[onnx.NodeProto]:
    """A Slice of the whole shape."""
    from onnx.helper import make_node

    start, end = (_without(node, name)[name] for name in ("start", "end"))
    result, whole = node.output[0], f"{node.output[0]}_whole"
    node.output[0] = whole
    yield node
    ends = [graph.constant([start]), graph.constant([end])]
    yield make_node("Slice", [whole, *ends], [result], name=f"{result}/Slice")
