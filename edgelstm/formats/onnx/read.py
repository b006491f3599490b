"""ONNX files from any program: recurrent and dense layers, found by following the graph."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.asked import Asked, check_stated
from edgelstm.formats.following.layers import follow
from edgelstm.formats.following.reads import joined_heads
from edgelstm.formats.following.symbolic import Signal, State
from edgelstm.formats.onnx import part, read_described
from edgelstm.formats.onnx.attributes import attributes_of
from edgelstm.formats.onnx.axes import axes_as_named, sizes_in_reshapes, sizes_to_try
from edgelstm.formats.onnx.branches import names_read, needed, taken
from edgelstm.formats.onnx.carried import LEFT, begin, carried, check_given_back, viewed
from edgelstm.formats.onnx.folding import LARGEST, fold, held
from edgelstm.formats.onnx.inputs import first, further
from edgelstm.formats.onnx.operators import WEIGHTED, apply
from edgelstm.formats.onnx.part import load
from edgelstm.formats.onnx.tensors import to_array
from edgelstm.formats.tensors import at, one_line, rounding
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork

if TYPE_CHECKING:
    import onnx

QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "DynamicQuantizeLSTM")


@dataclasses.dataclass(frozen=True)
class _Graph:
    """What is followed: the nodes that the first output needs, in order, and the constants.

    beside: Nodes that the other outputs need more; own: inputs that are the network's states, with
    the outputs that give them back; returned: the nodes that these need.
    """

    nodes: tuple[onnx.NodeProto, ...]
    beside: tuple[onnx.NodeProto, ...]
    tensors: Mapping[str, NDArray[Any]]
    inputs: tuple[onnx.ValueInfoProto, ...]
    outputs: tuple[str, ...]
    folder: pathlib.Path
    opset: int
    is_own: bool
    own: Mapping[str, str]
    returned: tuple[onnx.NodeProto, ...]

    def attributes(self, node: onnx.NodeProto) -> dict[str, Any]:
        """A node's, as plain values."""
        return attributes_of(node, self.opset, self.folder)


def read(path: pathlib.Path, asked: Asked) -> Network | QuantizedNetwork:
    """The network of an `.onnx` file; one that edgelstm describes in it with its integers.

    Args:
        path: The file; tensors outside of it are read from its folder alone.
        asked: What is expected; the graph says all of it itself.

    Raises:
        ModelError: A broken file, or an operator or option that is not supported, with its node.
    """
    with at(path.name):
        model = load(path)
        if asked.node is not None:
            return _part(model, path.parent, asked)
        if any(entry.key == read_described.KEY for entry in model.metadata_props):
            described = read_described.read(model)
            check_stated(described, asked)
            return described
        graph = _graph(model, path.parent)
        network = _whole(model, graph)
        check_stated(network, asked)
        assumed = (*network.assumed, *rounding(graph.tensors.values()), *_told(model, graph))
        return dataclasses.replace(network, assumed=assumed)


def _told(model: onnx.ModelProto, graph: _Graph) -> Iterator[str]:
    """What to say of a file that is read as it stands."""
    grus = [node for node in graph.nodes if node.op_type == "GRU"]
    after = (graph.attributes(node).get("linear_before_reset", 0) for node in grus)
    if model.producer_name == "pytorch" and not all(after):
        yield (
            "a GRU has linear_before_reset=0: it resets before the product, as it stands in the "
            "file; PyTorch's own GRU never does"
        )


def _whole(model: onnx.ModelProto, graph: _Graph) -> Network:
    try:
        return _at_any_size(graph)
    except ModelError as refused:
        names = [
            name
            for name in part.recurrent_names(model.graph)
            if f"node '{name}' (" not in str(refused) or _is_read(model, graph.folder, name)
        ]
        raise ModelError(f"{refused}{part.offered(names)}") from None


def _is_read(model: onnx.ModelProto, folder: pathlib.Path, name: str) -> bool:
    with contextlib.suppress(ModelError):
        return _part(model, folder, Asked(node=name)) is not None
    return False


def _part(model: onnx.ModelProto, folder: pathlib.Path, asked: Asked) -> Network:
    """The network of the nodes that were asked for."""
    nodes = part.find(model, asked.node or ())
    graph = _graph(part.cut(model, nodes), folder)
    graph = dataclasses.replace(graph, outputs=graph.outputs[:1])
    network = _at_any_size(graph)
    check_stated(network, asked)
    said = (*part.carried_in(model.graph, nodes), *rounding(graph.tensors.values()))
    return dataclasses.replace(network, assumed=(*network.assumed, *said))


def _at_any_size(graph: _Graph) -> Network:
    """The network, also where a Reshape holds the exporter's example size instead of a free one.

    torch.onnx.export(dynamo=True) of torch 2.13 writes such files for `batch_first=False`.
    """

    def at_sizes(*sizes: int) -> Signal:
        return axes_as_named(_output(graph, sizes), graph.inputs[0])

    attributes = (v for node in graph.nodes for v in graph.attributes(node).values())
    compared = any(node.op_type == "Equal" for node in graph.nodes)
    tried = sizes_to_try((*graph.tensors.values(), *attributes), are_compared=compared)
    try:
        return follow(at_sizes, tried)
    except ModelError as refused:
        for axis, size in sizes_in_reshapes(graph.nodes, graph.tensors):
            others = (5, 7, *(pair[1 - axis] for pair in tried[2:]))
            sizes = [(size, other) if axis == 0 else (other, size) for other in others]
            with contextlib.suppress(ModelError):
                network = follow(at_sizes, sizes)
                assumed = f"the file fits a size of {size} on axis {axis} alone; here any size does"
                return dataclasses.replace(network, assumed=(*network.assumed, assumed))
        raise refused


def _graph(model: onnx.ModelProto, folder: pathlib.Path) -> _Graph:
    graph = model.graph
    if not graph.output:
        raise ModelError("is not an ONNX model: its graph has no output")
    is_own = model.producer_name == "edgelstm"
    own = {} if is_own else carried(graph)
    outputs = tuple(o.name for o in graph.output if o.name not in own.values())
    if not outputs:
        raise ModelError("gives its states alone; what it computes is needed as an output, too")
    nodes, every = needed(graph.node, outputs[:1]), needed(graph.node, outputs)
    beside = tuple(node for node in every if not any(node is known for known in nodes))
    returned = needed(graph.node, own.values())
    read = set(outputs).union(*(names_read(node) for node in (*every, *returned)))
    tensors = {t.name: to_array(t, folder) for t in graph.initializer if t.name in read}
    inputs = tuple(i for i in graph.input if i.name not in {t.name for t in graph.initializer})
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)
    return _Graph(nodes, beside, tensors, inputs, outputs, folder, opset, is_own, own, returned)


def _output(graph: _Graph, sizes: tuple[int, ...]) -> Signal:
    """Follows the graph with these sizes where the input's first two axes are free."""
    values = {"": None, **graph.tensors, **_inputs(graph, sizes)}
    room = [LARGEST]
    _follow(graph, graph.nodes, values, room)

    def run(node: onnx.NodeProto, known: Mapping[str, Any]) -> tuple[Any, ...]:
        inputs, results = _run(graph, node, known)
        _take(room, inputs, results)
        return results

    if graph.own:
        check_given_back(graph.own, graph.nodes, graph.returned, values, run)
    result = values.get(graph.outputs[0])
    if not isinstance(result, Signal):
        raise ModelError(f"output '{graph.outputs[0]}' does not depend on the input")
    return result if len(graph.outputs) == 1 else _joined(graph, values, room, result)


def _joined(graph: _Graph, values: dict[str, Any], room: list[int], result: Signal) -> Signal:
    """Dense heads of all outputs as one layer; else the first output, and a note that says so."""
    signals = list[Any]()
    with contextlib.suppress(ModelError):  # of an output that is not read
        _follow(graph, graph.beside, values, room)
        signals = [values.get(name) for name in graph.outputs]
    if signals and all(isinstance(signal, Signal) for signal in signals):
        heads = joined_heads(signals)
        if heads is not None:
            return heads
    said = f"of its {len(graph.outputs)} outputs the first, '{graph.outputs[0]}', is read"
    return dataclasses.replace(result, notes=(*result.notes, said))


def _inputs(graph: _Graph, sizes: tuple[int, ...]) -> dict[str, Any]:
    """x, and what others are: states of the network, or unknown."""
    if not graph.inputs:
        return {}
    x, *others = graph.inputs
    named = {str(d.dim_param): n for d, n in zip(x.type.tensor_type.shape.dim, sizes, strict=False)}
    return {x.name: first(x, sizes)} | {
        value.name: begin(value, named, sizes[0])
        if value.name in graph.own
        else further(value, sizes[0], x.name, graph.is_own)
        for value in others
    }


def _follow(
    graph: _Graph, nodes: Iterable[onnx.NodeProto], values: dict[str, Any], room: list[int]
) -> None:
    """Adds what nodes give to the values; `room`: how many constants more there may be."""
    for node in nodes:
        with at(f"node '{part.name_of(node)}' ({node.op_type})"):
            if node.op_type == "If":
                results, inputs = _branch(graph, node, values, room), list[Any]()
            else:
                inputs, results = _run(graph, node, values)
            _take(room, inputs, results)
        values.update({n: r for n, r in zip(node.output, results, strict=False) if n})


def _take(room: list[int], inputs: Iterable[Any], results: Iterable[Any]) -> None:
    """Counts what a node adds."""
    made = (value.places if isinstance(value, State) else value for value in results)
    arrays = [value for value in made if isinstance(value, np.ndarray)]
    room[0] -= sum(map(held, arrays)) + sum(map(np.size, _copied(inputs)))
    if room[0] < 0:
        raise ModelError(f"the file asks for more than {LARGEST:,} constant elements")


def _branch(
    graph: _Graph, node: onnx.NodeProto, values: dict[str, Any], room: list[int]
) -> tuple[Any, ...]:
    """What the branch that is taken gives; it reads what is known outside."""
    branch = taken(node, values.get(next(iter(node.input), "")))
    own = {tensor.name: to_array(tensor, graph.folder) for tensor in branch.initializer}
    inner = {**values, **own}
    _follow(graph, branch.node, inner, room)
    missing = [output.name for output in branch.output if output.name not in inner]
    if missing:
        raise ModelError(f"gives '{missing[0]}', which nothing in it writes")
    return tuple(inner[output.name] for output in branch.output)


def _copied(inputs: Iterable[Any]) -> list[NDArray[Any]]:
    """Weights and biases of an operator on what depends on the input."""
    inputs = list(inputs)
    if not any(isinstance(value, Signal) for value in inputs):
        return []
    return [value for value in inputs[:4] if isinstance(value, np.ndarray)]


def _run(
    graph: _Graph, node: onnx.NodeProto, values: Mapping[str, Any]
) -> tuple[list[Any], tuple[Any, ...]]:
    """The node's inputs, and its results."""
    operator = str(node.op_type)  # protobuf gives bytes where a text is not UTF-8
    if operator in QUANTIZED or "Integer" in operator or operator.startswith("QLinear"):
        raise ModelError(
            "quantized ONNX files are read only if edgelstm wrote them; export the float model"
        )
    if node.domain not in ("", "ai.onnx"):
        raise ModelError(f"operators of domain '{node.domain}' are not supported")
    missing = [name for name in node.input if name not in values]
    if missing:
        raise ModelError(f"reads '{missing[0]}', which nothing before it writes")
    inputs = [values[name] for name in node.input]
    compute = apply
    if operator not in WEIGHTED and any(isinstance(value, State) for value in inputs):
        compute = viewed
    elif operator not in WEIGHTED and not any(isinstance(value, LEFT) for value in inputs):
        compute = fold
    try:
        result = compute(operator, inputs, graph.attributes(node))
    except ModelError:
        raise
    # any number of inputs and attributes, of any type, can stand in a file
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise ModelError(f"is malformed: {one_line(error)}") from None
    return inputs, result if isinstance(result, tuple) else (result,)
