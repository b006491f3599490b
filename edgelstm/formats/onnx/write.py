"""From a network to an .onnx file of opset 18, with symbolic batch and steps."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgelstm.formats.description import describe
from edgelstm.formats.onnx import float as float32
from edgelstm.formats.onnx import hybrid, integer
from edgelstm.formats.onnx.graph import Graph, value_info
from edgelstm.formats.onnx.read_integer import KEY
from edgelstm.model.network import Dense, Network, Recurrent, split_point
from edgelstm.quantization.quantized import QuantizedDense, QuantizedNetwork, QuantizedRecurrent
from edgelstm.quantization.scales import Scale

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 18, 9  # onnxruntime reads them since 1.15
ADDERS: dict[str, Any] = {"float32": float32, "hybrid": hybrid, "int8": integer}


@dataclasses.dataclass(frozen=True)
class _End:
    """An input or output of the file."""

    name: str
    shape: tuple[int | str, ...]
    scale: Scale | None

    @property
    def info(self) -> onnx.ValueInfoProto:
        return value_info(self.name, self.scale.type if self.scale else "float32", self.shape)


def encode(
    network: Network | QuantizedNetwork, *, steps: int, streaming: bool, target: str | None
) -> bytes:
    """The .onnx file of a network: ``x (batch, steps, input_size)`` -> ``y``.

    y is (batch, steps, output_size), or (batch, output_size) if the network reads the last step.
    A streaming file has one step. Behind x it takes the states ``h0 c0 h1 ...`` (batch,
    hidden_size), numbered by recurrent layer, and behind y it returns them as ``h0_out ...``;
    at `int8` they start at the zero points that the metadata name.

    Args:
        network: Float32, hybrid or int8.
        steps: Of no effect: batch and steps are symbolic.
        streaming: One step per call; the caller keeps the states.
        target: Of no effect: one runtime reads the format.

    Raises:
        ModelError: A layer that ONNX cannot express at this precision.
    """
    states = _states(network) if streaming else {}
    fed = [end for ends in states.values() for end in ends]
    into, out = (None, None) if isinstance(network, Network) else (network.input, network.output)
    free = ("batch", 1 if streaming else "steps")
    before = free[:1] if network.last_step else free
    x = _End("x", (*free, network.input_size), into)
    y = _End("y", (*before, network.output_size), out)
    outputs = [y, *(dataclasses.replace(end, name=f"{end.name}_out") for end in fed)]
    graph = Graph()
    for end, value in zip(outputs, _add_layers(graph, network, states), strict=True):
        graph.add("Identity", [value], [end.name], name=end.name)
    infos = [end.info for end in (x, *fed)], [end.info for end in outputs]
    metadata = _metadata(network, {"input": x, "output": y} | {end.name: end for end in fed})
    return bytes(
        _model(
            graph.proto("network", *infos, constants=True), network, metadata
        ).SerializeToString()
    )


def _precision(network: Network | QuantizedNetwork) -> str:
    return network.precision if isinstance(network, QuantizedNetwork) else "float32"


def _states(network: Network | QuantizedNetwork) -> dict[str, list[_End]]:
    """Layer to its states, as inputs."""
    states: dict[str, list[_End]] = {}
    for layer in network.layers:
        if isinstance(layer, Recurrent | QuantizedRecurrent):
            names = (layer.spec if isinstance(layer, Recurrent) else layer.plan).states
            scales = {} if isinstance(layer, Recurrent) else layer.scales
            shape = ("batch", layer.hidden_size)
            states[layer.name] = [_End(f"{s}{len(states)}", shape, scales.get(s)) for s in names]
    return states


def _add_layers(
    graph: Graph, network: Network | QuantizedNetwork, states: Mapping[str, Sequence[_End]]
) -> list[str]:
    """Names of the result and of the new states. Recurrent operators want steps before batch."""
    add, split = ADDERS[_precision(network)], split_point(network.layers)
    y, after = "x", []
    if split:
        y = graph("Transpose", y, scope="x", perm=[1, 0, 2])
    for k, layer in enumerate(network.layers):
        if isinstance(layer, Dense | QuantizedDense):
            y = add.dense(graph, layer, y)
            continue
        given = [end.name for end in states.get(layer.name, ())]
        y, ends = add.recurrent(graph, layer, y, given)
        after += ends[: len(given)]
        if network.last_step and k + 1 == split:
            last = graph.constant(-1)
            y = ends[0] if ends else graph("Gather", y, last, scope="last_step", axis=0)
    if split and not network.last_step:
        y = graph("Transpose", y, scope="y", perm=[1, 0, 2])
    return [y, *after]


def _metadata(network: Network | QuantizedNetwork, ends: Mapping[str, _End]) -> dict[str, str]:
    metadata = {f"{KEY}.precision": _precision(network)}
    for name, end in ends.items():
        if end.scale:
            metadata[f"{KEY}.{name}_scale"] = repr(end.scale.scale)
            metadata[f"{KEY}.{name}_zero_point"] = repr(end.scale.zero_point)
    if isinstance(network, QuantizedNetwork):
        metadata[KEY] = json.dumps(describe(network))
    return metadata


def _model(
    graph: onnx.GraphProto, network: Network | QuantizedNetwork, metadata: Mapping[str, str]
) -> onnx.ModelProto:
    from onnx.helper import make_model, make_opsetid, set_model_props

    opsets = [make_opsetid("", OPSET)]
    if any(node.domain == hybrid.DOMAIN for node in graph.node):
        opsets.append(make_opsetid(hybrid.DOMAIN, 1))
    sizes = [f"{layer.name} {layer.input_size} -> {layer.output_size}" for layer in network.layers]
    model = make_model(
        graph,
        opset_imports=opsets,
        ir_version=IR_VERSION,
        producer_name="edgelstm",
        doc_string=f"{_precision(network)} network: {', '.join(sizes)}",
    )
    set_model_props(model, dict(metadata))
    return model
