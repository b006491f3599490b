"""From a network to an .onnx file of opset 18, with symbolic batch and steps."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgelstm.errors import ModelError
from edgelstm.files.disk import Contents
from edgelstm.formats.description import describe
from edgelstm.formats.onnx import around, hybrid, integer, native
from edgelstm.formats.onnx import float as float32
from edgelstm.formats.onnx.graph import Graph, value_info
from edgelstm.formats.onnx.read_described import KEY
from edgelstm.layers.directions import is_bidirectional
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.model.precision import Precision
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.scales import Scale

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 18, 9  # onnxruntime reads them since 1.15
BY_PRECISION: dict[str, Any] = {
    "float32": float32,
    "hybrid": hybrid,
    "int8": integer,
    "int16x8": integer,
}


OVER_STEPS = ("recurrent", "read_steps", "reverse_steps")  # they want steps before batch


@dataclasses.dataclass(frozen=True)
class _End:
    """An input or output of the file."""

    name: str
    shape: tuple[int | str, ...]
    scale: Scale | None
    real: str = "float32"

    @property
    def info(self) -> onnx.ValueInfoProto:
        return value_info(self.name, self.scale.type if self.scale else self.real, self.shape)


def layer_refusal(layer: Any, precision: Precision) -> str | None:
    """Why .onnx has no form for a layer at a precision; None if it has one."""
    if precision.is_integer and "mean" in getattr(layer, "reads", ()):
        return (
            "the mean of integers is rounded by the number of steps, which an .onnx file leaves "
            "open; what works for it: .tflite, .npz"
        )
    return None


def encode(
    network: Network | QuantizedNetwork, *, steps: int, streaming: bool, target: str | None
) -> Contents:
    """The .onnx file of a network: ``x (batch, steps, input_size)`` -> ``y``.

    y is (batch, steps, output_size), or (batch, output_size) if the network reads the last step.
    A streaming file has one step. Behind x it takes the states ``h0 c0 h1 ...`` (batch, its size),
    numbered by recurrent layer, and behind y it returns them as ``h0_out ...``; of integers they
    start at the zero points that the metadata name.

    Args:
        network: In any precision.
        steps: Of no effect: batch and steps are symbolic.
        streaming: One step per call; the caller keeps the states.
        target: Of no effect: one runtime reads the format.

    Raises:
        ModelError: A layer that ONNX cannot express at this precision.
    """
    if streaming and any("max" in getattr(layer, "reads", ()) for layer in network.layers):
        raise ModelError(
            "a streaming .onnx keeps no max of the steps; write .tflite, a folder of C, or whole "
            "sequences"
        )
    states = _states(network) if streaming else {}
    fed = [end for ends in states.values() for end in ends]
    free = ("batch", 1 if streaming else "steps")
    before: tuple[int | str, ...] = free[:1] if network.last_step else free
    if repeats := [layer.steps for layer in network.layers if isinstance(layer, Repeat)]:
        before = before[:1] if network.last_step else ("batch", repeats[-1])
    x = _End("x", (*free, network.input_size), network.input)
    if network.indices:
        x = _End("x", free, None, "int64")
    y = _End("y", (*before, network.output_size), network.output)
    outputs = [y, *(dataclasses.replace(end, name=f"{end.name}_out") for end in fed)]
    graph = Graph()
    for end, value in zip(outputs, _add_layers(graph, network, states), strict=True):
        graph.add("Identity", [value], [end.name], name=end.name)
    infos = [end.info for end in (x, *fed)], [end.info for end in outputs]
    metadata = _metadata(network, {"input": x, "output": y} | {end.name: end for end in fed})
    model = _model(graph.proto("network", *infos, constants=True), network, metadata)
    return {"": bytes(model.SerializeToString())}


def _states(network: Network | QuantizedNetwork) -> dict[str, list[_End]]:
    """Layer to its states, as inputs."""
    states: dict[str, list[_End]] = {}
    for layer in network.layers:
        if isinstance(layer, Recurrent):
            forward, n = layer.forward, len(states)
            listed = forward.sizes.operations
            states[layer.name] = [
                _End(f"{s}{n}", ("batch", listed.sizes[s]), forward.scales.get(s))
                for s in listed.states
            ]
    return states


@dataclasses.dataclass
class _Written:
    """What layers have added so far.

    Attributes:
        graph: Takes the nodes.
        add: The module of the network's precision.
        fed: Layer to its states as inputs.
        type: Of the values between layers.
        after: Names of the new states.
        ends: Names of the last recurrent layer's states behind its last step; none where it is
            bidirectional.
    """

    graph: Graph
    add: Any
    fed: Mapping[str, Sequence[_End]]
    type: str
    after: list[str] = dataclasses.field(default_factory=list)
    ends: list[str] = dataclasses.field(default_factory=list)


def _add_layers(
    graph: Graph, network: Network | QuantizedNetwork, states: Mapping[str, Sequence[_End]]
) -> list[str]:
    """Names of the result and of the new states. What reads over steps has them before batch."""
    kind = network.input.type if network.input else "float32"
    written = _Written(graph, BY_PRECISION[network.precision], states, kind)
    is_sequence = any(layer.kind in OVER_STEPS for layer in network.layers)
    y: str = "x"
    layers: Sequence[Any] = network.layers
    if isinstance(layers[0], Embedding):
        y, layers = around.embedding(graph, layers[0], y, network.input), layers[1:]
    elif network.input_mean is not None and network.input is None:
        y = around.normalised(graph, y, network.input_mean, network.input_std)
    if is_sequence:
        y = graph("Transpose", y, scope="x", perm=[1, 0, 2])
    for layer in layers:
        y = KINDS[layer.kind](written, layer, y)
        written.ends = written.ends if layer.kind == "recurrent" else []
    if is_sequence and not network.last_step:
        y = graph("Transpose", y, scope="y", perm=[1, 0, 2])
    return [y, *written.after]


def _recurrent(written: _Written, layer: Any, x: str) -> str:
    given = [end.name for end in written.fed.get(layer.name, ())]
    y: str
    y, ends = written.add.recurrent(written.graph, layer, x, given)
    written.ends = [] if is_bidirectional(layer) else ends
    written.after += ends[: len(given)]
    return y


def _read_steps(written: _Written, layer: Any, x: str) -> str:
    """The recurrent layer before it ends in states, of which h is its last output; or x has it."""
    if written.ends and layer.reads == ("last",):
        return written.ends[0]
    return around.read_steps(written.graph, layer, x, written.type)


def _dense(written: _Written, layer: Any, x: str) -> str:
    y: str = written.add.dense(written.graph, layer, x)
    return y


def _activation(written: _Written, layer: Any, x: str) -> str:
    if layer.input is not None:
        return integer.dense(written.graph, layer, x)
    return around.activation(written.graph, layer, x)


# Kind of a layer to what adds it: (what is written, layer, its input) -> its result.
KINDS: dict[str, Callable[[_Written, Any, str], str]] = {
    "recurrent": _recurrent,
    "read_steps": _read_steps,
    "dense": _dense,
    "repeat": lambda written, layer, x: around.repeat(written.graph, layer, x),
    "reverse_steps": lambda written, layer, x: around.reversed_steps(written.graph, x, layer.name),
    "activation": _activation,
    "layer_norm": lambda written, layer, x: around.layer_norm(written.graph, layer, x),
    "embedding": lambda written, layer, x: around.embedding(written.graph, layer, x, None),
}


def _metadata(network: Network | QuantizedNetwork, ends: Mapping[str, _End]) -> dict[str, str]:
    metadata = {f"{KEY}.precision": network.precision}
    for name, end in ends.items():
        if end.scale:
            metadata[f"{KEY}.{name}_scale"] = repr(end.scale.scale)
            metadata[f"{KEY}.{name}_zero_point"] = repr(end.scale.zero_point)
    if network.indices and network.input is not None:
        metadata[f"{KEY}.table_scale"] = repr(network.input.scale)
        metadata[f"{KEY}.table_zero_point"] = repr(network.input.zero_point)
    if _needs_description(network):
        metadata[KEY] = json.dumps(describe(network))
    return metadata


def _needs_description(network: Network | QuantizedNetwork) -> bool:
    """Whether the operators do not say all of it: scales, or what a loop computes."""
    plain = [layer.kind in ("recurrent", "dense", "read_steps") for layer in network.layers]
    reads = [layer.reads for layer in network.layers if isinstance(layer, ReadSteps)]
    if not all(plain) or network.input_mean is not None or reads not in ([], [("last",)]):
        return True
    return isinstance(network, QuantizedNetwork) or any(
        isinstance(layer, Recurrent) and native(layer.forward, "float32") is None
        for layer in network.layers
    )


def _model(
    graph: onnx.GraphProto, network: Network | QuantizedNetwork, metadata: Mapping[str, str]
) -> onnx.ModelProto:
    from onnx.helper import make_model, make_opsetid, set_model_props

    opsets = [make_opsetid("", OPSET)]
    if any(node.domain == hybrid.DOMAIN for node in graph.node):
        opsets.append(make_opsetid(hybrid.DOMAIN, 1))
    sizes = [
        f"{layer.name} {layer.input_size} -> {layer.output_size}"
        for layer in network.layers
        if layer.parts
    ]
    model = make_model(
        graph,
        opset_imports=opsets,
        ir_version=IR_VERSION,
        producer_name="edgelstm",
        doc_string=f"{network.precision} network: {', '.join(sizes)}",
    )
    set_model_props(model, dict(metadata))
    return model
