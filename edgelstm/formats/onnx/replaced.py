"""A network in the place of recurrent nodes of a larger graph, which is otherwise left as it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgelstm.errors import ModelError
from edgelstm.formats.onnx import hybrid, native
from edgelstm.formats.onnx.embedded import embedded, outer_names
from edgelstm.formats.onnx.graph import Graph
from edgelstm.formats.onnx.older import as_of
from edgelstm.formats.onnx.part import bodies, read_by
from edgelstm.layers.read_steps import backward
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork

if TYPE_CHECKING:
    import onnx

LEAST_IR = 4  # from here on a constant need not be an input, too
AnyNetwork = Network | QuantizedNetwork

# What a replaced node is, as reports say it; the figures are of one thread on a PC.
OPERATOR = (
    "DynamicQuantizeLSTM (a quarter of the bytes; a step 1.2 to 1.4 times faster at 64 to 128 "
    "units, slower below, several times faster where the float weights leave the cache)"
)
LOOP = (
    "Scan with MatMulInteger (a quarter of the bytes; about 10 us a step of overhead: faster from "
    "about 512 units on)"
)
EXACT = (
    "exact Scan (35 to 80 times slower than the float operator: for the accuracy of the whole "
    "model with the device's integers, not for speed)"
)
FLOAT_OPERATOR, FLOAT_LOOP = "float operator", "float Scan (slower than an operator)"


def form(network: AnyNetwork) -> str:
    """What the network's layers become, in words."""
    if network.input is not None:
        return EXACT
    names = [native(layer.forward, network.precision) for layer in _standing(network)]
    if network.precision == "hybrid":
        return LOOP if None in names else OPERATOR
    return FLOAT_LOOP if None in names else FLOAT_OPERATOR


def check_fits(original: Network, network: AnyNetwork, names: Sequence[str]) -> None:
    """`ModelError` unless a network can stand where nodes of that network stand."""
    layers = _standing(network)
    if network.input_mean is not None or len(layers) != len(names):
        kinds = ", ".join(layer.kind for layer in layers)
        raise ModelError(
            f"the network has {len(layers)} layers ({kinds}), and takes the place of "
            f"{len(names)} recurrent nodes; as many recurrent layers and nothing else are needed: "
            "what read(path, node=...) gives, or quantize makes of it"
        )
    anew = [backward(of.layers) for of in (original, network)]
    for name, *both in zip(names, _standing(original), layers, strict=True):
        sizes = [_sizes(found, found.name in back) for found, back in zip(both, anew, strict=True)]
        if sizes[0] != sizes[1]:
            raise ModelError(
                f"node '{name}' is {sizes[0]}, and layer '{both[1].name}' of the network "
                f"{sizes[1]}; the same are needed"
            )


def _standing(network: AnyNetwork) -> list[Any]:
    """Layers, each of which is a node: a node says itself in which order it reads the steps."""
    return [layer for layer in network.layers if layer.kind != "reverse_steps"]


def _sizes(layer: Any, backwards: bool) -> str:
    if not isinstance(layer, Recurrent):
        return f"a layer of the kind '{layer.kind}'"
    listed = layer.forward.sizes.operations
    states = ", ".join(f"{s} of {listed.sizes[s]}" for s in listed.states)
    kind = ("of one direction", "bidirectional")[len(layer.parts) - 1]
    kind = "of the reverse direction" if backwards else kind
    return f"{kind}, {layer.input_size} -> {layer.output_size} with the states {states}"


def rewritten(
    model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], network: AnyNetwork
) -> onnx.ModelProto:
    """A copy of the model in which each node is a layer of the network.

    Args:
        model: The file's.
        nodes: As `part.find` gives them.
        network: One that `check_fits`.

    Raises:
        ModelError: The file's opset is older than the operators that are needed.
    """
    import onnx

    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph, whole = made.graph, Graph()
    prefix = _free_prefix(graph)
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    new: dict[str, list[onnx.NodeProto]] = {}  # by one of a node's outputs
    anew = backward(network.layers)
    for node, layer in zip(nodes, _standing(network), strict=True):
        backwards = layer.name in anew
        added = embedded(whole.body(), node, layer, network.precision, backwards=backwards)
        added = as_of(opset, added, whole, is_integer=network.input is not None)
        outer = outer_names(node)
        new[_output(node)] = [_renamed(n, outer, prefix) for n in added]
    kept = [new.get(_output(n), [n]) for n in graph.node]
    del graph.node[:]
    graph.node.extend(n for several in kept for n in several)
    read = set(read_by(graph.node))
    for name, tensor in whole.constants.items():
        if prefix + name in read:
            tensor.name = prefix + name
            graph.initializer.append(tensor)
    _drop_unread(graph, {name for node in nodes for name in node.input})
    made.ir_version = max(made.ir_version, LEAST_IR)
    domains = {o.domain for o in made.opset_import}
    if any(n.domain == hybrid.DOMAIN for n in graph.node) and hybrid.DOMAIN not in domains:
        made.opset_import.add(domain=hybrid.DOMAIN, version=1)
    return made


def _output(node: onnx.NodeProto) -> str:
    return next((name for name in node.output if name), "")


def _renamed(node: onnx.NodeProto, outer: Mapping[str, str], prefix: str) -> onnx.NodeProto:
    """The node with its ends' names in the graph, and all other names behind the prefix."""

    def named(name: str) -> str:
        return outer.get(name, prefix + name) if name else name

    node.name = prefix + node.name
    for names in (node.input, node.output):
        names[:] = list(map(named, names))
    for body in bodies(node):
        for value in (*body.input, *body.output):
            value.name = named(value.name)
        for inner in body.node:
            _renamed(inner, outer, prefix)
    return node


def _free_prefix(graph: onnx.GraphProto) -> str:
    taken = {*read_by(graph.node), *_made(graph.node), *(t.name for t in graph.initializer)}
    prefix, k = "edgelstm/", 1
    while any(name.startswith(prefix) for name in taken):
        k += 1
        prefix = f"edgelstm_{k}/"
    return prefix


def _made(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    for node in nodes:
        yield node.name
        yield from node.output
        for body in bodies(node):
            yield from _made(body.node)


def _drop_unread(graph: onnx.GraphProto, candidates: set[str]) -> None:
    """Removes of these values, and of what only they needed, those that nobody reads any more."""
    ends = {value.name for value in graph.output}
    while unread := candidates - {*read_by(graph.node)} - ends:
        dead = [n for n in graph.node if n.output and unread.issuperset(o for o in n.output if o)]
        candidates = {name for node in dead for name in node.input if name}
        for node in dead:
            graph.node.remove(node)
        stored = {tensor.name for tensor in graph.initializer}
        for values in (graph.initializer, graph.value_info):
            _drop(values, unread)
        _drop(graph.input, unread & stored)  # files of IR 3 name each constant there, too


def _drop(values: Any, names: set[str]) -> None:
    for k in reversed(range(len(values))):
        if values[k].name in names:
            del values[k]


def size_bytes(model: onnx.ModelProto) -> int:
    """Bytes of the model, and of the tensors outside of its file that it reads."""
    from onnx import TensorProto
    from onnx.helper import tensor_dtype_to_np_dtype

    outside = [t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL]
    sizes = (math.prod(t.dims) * tensor_dtype_to_np_dtype(t.data_type).itemsize for t in outside)
    return int(model.ByteSize() + sum(sizes))
