"""From a network to the calls of its C: every layer by its kind, and where each value lies."""

import dataclasses
from collections.abc import Callable
from typing import Any

from edgelstm.cells.text import equations
from edgelstm.errors import ModelError
from edgelstm.formats.c.calls import Call, Constants, Part
from edgelstm.formats.c.layer import Layer
from edgelstm.formats.c.layouts import append_lstm, append_operations
from edgelstm.formats.c.lstm import is_fused_lstm
from edgelstm.formats.c.names import distinct
from edgelstm.formats.c.places import Buffer, place
from edgelstm.formats.c.reals import append_reals
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.model.network import Network
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import FLOAT32
from edgelstm.quantization.lower import lower
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.text import layer_text

AnyNetwork = Network | QuantizedNetwork
ENDS, QUANTIZE = "edgelstm_ends.c", "edgelstm_quantize.c"
SHORT = {"int8": "s8", "int16": "s16", "float32": "f32"}
INSIDE = {"int8": "s16", "int16": "s16", "float32": "f32"}


@dataclasses.dataclass(frozen=True, eq=False)
class Built:
    """A network as C calls.

    Attributes:
        name: In C.
        parts: In order: the way in, the layers, the way out.
        constants: What lies in flash.
        fields: Of the state: name to elements.
        places: Value to where it lies, a C expression.
        buffers: Of the values that are not states.
        scratch: Elements that they take together.
        ends: Type of what comes in and goes out.
        input_size, output_size: Values.
        last_step: A sequence gives the result of its last step alone.
    """

    name: str
    parts: tuple[Part, ...]
    constants: Constants
    fields: dict[str, int]
    places: dict[str, str]
    buffers: tuple[Buffer, ...]
    scratch: int
    ends: str
    input_size: int
    output_size: int
    last_step: bool

    @property
    def element_bytes(self) -> int:
        """Of a value inside."""
        return 4 if INSIDE[self.ends] == "f32" else 2

    @property
    def state_bytes(self) -> int:
        """Of the state struct: its fields, and the scratch memory, which is aligned to words."""
        fields = sum(self.fields.values()) * self.element_bytes
        return -(-fields // 4) * 4 + -(-self.scratch * self.element_bytes // 4) * 4

    @property
    def kernels(self) -> tuple[str, ...]:
        """Files of `kernels/c` that are needed."""
        needed = {kernel for part in self.parts for call in part.calls for kernel in call.kernels}
        needed |= {QUANTIZE} if self.ends != "float32" else set()
        return tuple(sorted(needed))


def build(network: AnyNetwork, name: str, layout: str) -> Built:
    """The calls of a network, with the weights of its fused LSTMs in a layout."""
    ends = "float32" if network.input is None else network.input.type
    constants, parts = Constants(name), [_way_in(network, ends)]
    sizes = {"x": network.input_size}
    kept: dict[str, str] = {}
    fields: dict[str, int] = {}
    names = distinct(part.name for layer in network.layers for part in layer.parts)
    value, once = "x", False
    for layer in network.layers:
        if isinstance(layer, ReadSteps):
            once = True
            continue
        (source,) = layer.parts
        called = names[source.name]
        made = _layer(Part(called, _about(called, source), once=once), source, value, constants)
        value = KINDS[layer.kind](made, source, layout)
        sizes |= made.sizes
        kept |= made.kept
        fields |= _fields(made, source)
        parts.append(made.part)
    parts.append(_way_out(network, value, once))
    if not any("x" in call.reads for part in parts for call in part.calls):
        del parts[0]  # a kernel reads the network's input itself
    calls = [call for part in parts for call in part.calls]
    buffers, scratch = place(calls, sizes, kept)
    return Built(
        name,
        tuple(parts),
        constants,
        fields,
        kept | _places(buffers),
        tuple(buffers),
        scratch,
        ends,
        network.input_size,
        network.output_size,
        network.last_step,
    )


def _places(buffers: list[Buffer]) -> dict[str, str]:
    return {
        value: f"state->scratch.values + {buffer.offset}"
        if buffer.offset
        else "state->scratch.values"
        for buffer in buffers
        for value in buffer.values
    }


def _layer(part: Part, source: Any, into: str, constants: Constants) -> Layer:
    real = source.precision == "float32"
    plan = plan_of(source, FLOAT32) if real else source.plan
    return Layer(part, into, plan.sizes, constants, "f32" if real else "s16")


def _fields(layer: Layer, source: Any) -> dict[str, int]:
    """Of the state: those that the layer keeps."""
    states = source.sizes.operations.states
    places = (layer.kept[layer.named(state)] for state in states)
    return {
        place.removeprefix("state->"): layer.size(state)
        for place, state in zip(places, states, strict=True)
    }


def _about(name: str, source: Any) -> tuple[str, ...]:
    """The comment above a layer: what it is, and its equations."""
    if source.kind != "recurrent":
        y = f"{source.activation}(W x + b)" if source.activation else "W x + b"
        return (layer_text(name, source.kind, source), f"y = {y}")
    first = layer_text(name, source.cell_name, source)
    rows = equations(source.cell_name, source.projection_size > 0)
    return (first, *(line for row in rows.values() for line in row))


def _way_in(network: AnyNetwork, ends: str) -> Part:
    zero_point = "" if network.input is None else f"{network.input.zero_point}, "
    text = f"edgelstm_enter_{SHORT[ends]}(x, {network.input_size}, {zero_point}{{x}});"
    return Part("enter", calls=[Call(text, (), ("x",), kernels=(ENDS,))])


def _way_out(network: AnyNetwork, value: str, once: bool) -> Part:
    zero_point = "" if network.output is None else f"{network.output.zero_point}, "
    out = "float32" if network.output is None else network.output.type
    text = f"edgelstm_leave_{SHORT[out]}({{{value}}}, {network.output_size}, {zero_point}y);"
    return Part("leave", calls=[Call(text, (value,), kernels=(ENDS,))], once=once)


def _computed(layer: Layer, source: Any, layout: str) -> str:
    """A dense layer, or a recurrent one: by its list of operations, or by a kernel of its own."""
    if source.precision == "float32":
        return append_reals(layer, plan_of(source, FLOAT32), source)
    if source.input is None:
        raise ModelError(f"layer '{source.name}' is hybrid, which no C is written for")
    lowered = lower(source)
    if is_fused_lstm(source):
        return append_lstm(layer, lowered, layout)
    return append_operations(layer, lowered, layout)


# Kind of a layer to what appends its calls and returns what goes out.
KINDS: dict[str, Callable[[Layer, Any, str], str]] = {
    "recurrent": _computed,
    "dense": _computed,
}
