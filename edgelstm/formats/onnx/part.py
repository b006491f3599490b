"""One part of a larger ONNX graph: recurrent nodes by their names, cut out to be read alone."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from edgelstm.errors import ModelError
from edgelstm.formats.tensors import one_line

if TYPE_CHECKING:
    import onnx

RECURRENT = ("LSTM", "GRU", "RNN")
STATES = {"LSTM": ("h", "c"), "GRU": ("h",), "RNN": ("h",)}  # Y_h, Y_c; from input 5 on
SEQUENCE_LENS, INITIAL = 4, 5  # places of inputs
# What moves axes of one tensor and changes no value, in eval mode
VIEWS = ("Squeeze", "Unsqueeze", "Transpose", "Reshape", "Dropout", "Identity", "Flatten")
MOST_NAMED = 16


def load(path: pathlib.Path) -> onnx.ModelProto:
    """The model of a file, without what lies outside of it."""
    import onnx

    try:
        return onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # protobuf's own class, which has no common base
        raise ModelError(f"is not an ONNX file: {one_line(error)}") from None


def name_of(node: onnx.NodeProto) -> str:
    """A node's name, or its first output's where it has none."""
    return str(node.name or next((n for n in node.output if n), ""))


def is_recurrent(node: onnx.NodeProto) -> bool:
    """Whether it is ONNX's own LSTM, GRU or RNN."""
    return node.op_type in RECURRENT and node.domain in ("", "ai.onnx")


def recurrent_names(graph: onnx.GraphProto) -> list[str]:
    """Of the nodes that can be named."""
    return [name_of(node) for node in graph.node if is_recurrent(node)]


def offered(names: Sequence[str]) -> str:
    """What ends the error of a graph that is not read whole, where these can be read alone."""
    if not names:
        return ""
    return f"; one recurrent node can be read alone, node='{names[0]}', of: {_few(names)}"


def _few(names: Sequence[str]) -> str:
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def find(model: onnx.ModelProto, names: Sequence[str]) -> list[onnx.NodeProto]:
    """The recurrent nodes of these names, in the order of the graph.

    Args:
        model: The file's.
        names: Of nodes, or where nodes have none or share one, of their outputs.

    Raises:
        ModelError: No such node, two of them, one that is not recurrent.
    """
    if any(isinstance(name, bytes) for name in _names(model.graph)):
        raise ModelError("holds a name that is not UTF-8 text, with which no runtime loads it")
    places = [_place(model.graph, name) for name in names]
    if len(set(places)) < len(places):
        raise ModelError(f"the nodes {', '.join(names)} name one node twice")
    return [model.graph.node[k] for k in sorted(places)]


def _names(graph: onnx.GraphProto) -> Iterator[object]:
    """All of them: protobuf gives bytes where a text is not UTF-8."""
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        yield value.name
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for body in bodies(node):
            yield from _names(body)


def _place(graph: onnx.GraphProto, name: str) -> int:
    places = [k for k, node in enumerate(graph.node) if name and name == node.name]
    places = places or [k for k, node in enumerate(graph.node) if name and name in node.output]
    recurrent = recurrent_names(graph)
    has = f"its recurrent nodes: {_few(recurrent)}" if recurrent else "it has no recurrent node"
    if not places:
        inner = next((n for n in graph.node for b in bodies(n) if _holds(b, name)), None)
        lies = f", which lies inside of node '{name_of(inner)}'" if inner else ""
        raise ModelError(f"has no node '{name}' in its main graph{lies}; {has}")
    if len(places) > 1:
        outputs = [next((o for o in graph.node[k].output if o), "") for k in places]
        raise ModelError(
            f"{len(places)} nodes are called '{name}'; name one by its output: {_few(outputs)}"
        )
    node = graph.node[places[0]]
    if not is_recurrent(node):
        kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        raise ModelError(f"node '{name}' is a {kind}; an LSTM, GRU or RNN is needed; {has}")
    if len(node.input) < 3 or not any(node.output):
        raise ModelError(f"node '{name}' has {len(node.input)} inputs; X, W and R are needed")
    return places[0]


def bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Graphs inside of a node: those of If, Loop and Scan."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def read_by(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """Names that nodes read, also inside of bodies, and what these give."""
    for node in nodes:
        yield from node.input
        for body in bodies(node):
            yield from read_by(body.node)
            yield from (value.name for value in body.output)


def keep_needed(graph: onnx.GraphProto) -> None:
    """Removes what the graph's outputs do not need."""
    wanted, kept = {value.name for value in graph.output}, []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(read_by([node]))
            kept.append(node)
    gone = {tensor.name for tensor in graph.initializer} - wanted
    stored = [tensor for tensor in graph.initializer if tensor.name not in gone]
    inputs = [value for value in graph.input if value.name not in gone]
    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.input.extend(inputs)
    graph.node.extend(reversed(kept))
    graph.initializer.extend(stored)


def _holds(graph: onnx.GraphProto, name: str) -> bool:
    return any(
        name == node.name or any(_holds(body, name) for body in bodies(node)) for node in graph.node
    )


def cut(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> onnx.ModelProto:
    """A model of these nodes alone: x (steps, batch, input_size) to the last one's steps.

    Its graph still holds all others, which are not reached. The nodes start from zeros.

    Args:
        model: The file's.
        nodes: As `find` gives them.

    Raises:
        ModelError: They do not follow each other, or through more than `VIEWS`.
    """
    import onnx
    from onnx.helper import make_node, make_tensor_value_info

    check_chain(model.graph, nodes)
    x, y = nodes[0].input[0], nodes[-1].output[0] or "Y that nobody reads"
    part = onnx.ModelProto()
    part.opset_import.extend(model.opset_import)
    graph, end = part.graph, f"{y} of all directions"
    graph.node.extend(node for node in model.graph.node if x not in node.output)
    for node in graph.node:
        if node in nodes:  # by value: the same name, inputs and outputs
            node.name = name_of(node)
            for k in range(INITIAL, min(INITIAL + 2, len(node.input))):
                node.input[k] = ""
            node.output[0] = node.output[0] or y
    shape = make_node("Constant", [], [f"{end}, shape"], value_ints=[0, 0, -1])
    turned = make_node("Transpose", [y], [f"{end}, turned"], perm=[0, 2, 1, 3])
    joined = make_node("Reshape", [f"{end}, turned", f"{end}, shape"], [end])
    graph.node.extend([shape, turned, joined])
    graph.initializer.extend(t for t in model.graph.initializer if t.name != x)
    size = _input_size(model.graph, nodes[0])
    kind = onnx.TensorProto.FLOAT
    graph.input.append(make_tensor_value_info(x, kind, ("steps", "batch", size)))
    graph.input.extend(i for i in model.graph.input if i.name != x)
    graph.output.append(make_tensor_value_info(end, kind, None))
    return part


def _input_size(graph: onnx.GraphProto, node: onnx.NodeProto) -> int:
    """From W, or what is said of it or of x."""
    w, x = node.input[1], node.input[0]
    dims = [t.dims for t in graph.initializer if t.name == w]
    dims += [
        [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*graph.value_info, *graph.input)
        if v.name in (w, x)
    ]
    for n in graph.node:
        if w in n.output and n.op_type == "Constant":
            dims += [a.t.dims for a in n.attribute if a.name == "value"]
    sizes = [shape[2] for shape in dims if len(shape) == 3 and shape[2] > 0]
    if not sizes:
        raise ModelError(f"node '{name_of(node)}': its weights W are not a constant of the file")
    return int(sizes[0])


def check_chain(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> None:
    """`ModelError` unless each of the nodes takes all steps of the one before, moved alone."""
    last, *behind = nodes
    steps = {last.output[0]} - {""}
    for node in graph.node:
        if node in behind:
            if node.input[0] not in steps:
                raise ModelError(_apart(graph, last, node))
            last, steps = node, {node.output[0]} - {""}
        elif steps.intersection(node.input[:1]) and node.op_type in VIEWS:
            steps.add(node.output[0])


def _apart(graph: onnx.GraphProto, before: onnx.NodeProto, node: onnx.NodeProto) -> str:
    made = next((n for n in graph.node if node.input[0] in n.output), None)
    what = f"node '{name_of(made)}' ({made.op_type})" if made else f"'{node.input[0]}'"
    return (
        f"node '{name_of(node)}' does not follow node '{name_of(before)}', but takes what {what} "
        f"gives; between them may stand {', '.join(VIEWS)}: give each node by itself"
    )


def depending(nodes: Iterable[onnx.NodeProto], names: set[str]) -> set[str]:
    """All values that depend on these by more than their shapes."""
    found = set(names)
    for node in nodes:
        if node.op_type not in ("Shape", "Size") and found.intersection(node.input):
            found.update(node.output)
    return found


def carried_in(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> Iterator[str]:
    """What to say in `Network.assumed` of nodes whose initial states depend on the input."""
    inputs = {i.name for i in graph.input} - {t.name for t in graph.initializer}
    given = depending(graph.node, inputs)
    for node in nodes:
        names = [f"'{name}'" for name in node.input[INITIAL : INITIAL + 2] if name in given]
        if names:
            yield (
                f"node '{name_of(node)}' starts from {' and '.join(names)}, to which replace "
                "connects it; alone it starts from zeros"
            )
