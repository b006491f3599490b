"""From a network to the calls of its C: every layer by its kind, and where each value lies."""

import dataclasses
from collections.abc import Callable
from typing import Any

from edgelstm.cells.text import equations
from edgelstm.errors import ModelError
from edgelstm.formats.c import around
from edgelstm.formats.c.building import INSIDE_TYPES, Building, Field
from edgelstm.formats.c.calls import Constants, Part
from edgelstm.formats.c.layer import Layer
from edgelstm.formats.c.layouts import append_lstm, append_operations
from edgelstm.formats.c.lstm import is_fused_lstm
from edgelstm.formats.c.names import distinct
from edgelstm.formats.c.places import Buffer, place
from edgelstm.formats.c.reals import append_reals
from edgelstm.layers.directions import parts
from edgelstm.model.network import Network
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import FLOAT32
from edgelstm.quantization.lower import lower
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.text import layer_text

AnyNetwork = Network | QuantizedNetwork
QUANTIZE = "edgelstm_quantize.c"
INDICES = "int32"  # type of x in front of an embedding
INPUT_TYPES = (*around.SHORT, INDICES)


@dataclasses.dataclass(frozen=True, eq=False)
class Built:
    """A network as C calls.

    Attributes:
        name: In C.
        parts: In order: the way in, the layers, the way out.
        constants: What lies in flash.
        fields: Of the state.
        places: Value to where it lies, a C expression.
        buffers: Of the values that are not states.
        scratch: Elements that they take together.
        inside: Type of every value between the ends, in C.
        input_type, output_type: Of what comes in and goes out.
        input_size, output_size: Values.
        last_step: A sequence gives one result.
        steps: How many a sequence must have; None: any number.
        loops: Steps of each loop, in C: those of x, then of each repetition.
        streams: Whether one step can be computed alone.
    """

    name: str
    parts: tuple[Part, ...]
    constants: Constants
    fields: dict[str, Field]
    places: dict[str, str]
    buffers: tuple[Buffer, ...]
    scratch: int
    inside: str
    input_type: str
    output_type: str
    input_size: int
    output_size: int
    last_step: bool
    steps: int | None
    loops: tuple[str, ...]
    streams: bool

    @property
    def element_bytes(self) -> int:
        """Of a value inside."""
        return 4 if self.inside == "float" else 2

    @property
    def state_bytes(self) -> int:
        """Of the state struct: fields of words, others, and scratch memory at words."""
        fields = sum(field.size * field.element_bytes for field in self.fields.values())
        return -(-fields // 4) * 4 + -(-self.scratch * self.element_bytes // 4) * 4

    @property
    def result_steps(self) -> int | None:
        """Results of a sequence where that is another number than its steps; None: it is not."""
        return None if len(self.loops) == 1 or self.last_step else int(self.loops[-1])

    @property
    def kernels(self) -> tuple[str, ...]:
        """Files of `kernels/c` that are needed."""
        needed = {kernel for part in self.parts for call in part.calls for kernel in call.kernels}
        needed |= {QUANTIZE} if self.output_type != "float32" else set()
        return tuple(sorted(needed))


def build(network: AnyNetwork, name: str, layout: str) -> Built:
    """The calls of a network, with the weights of its fused LSTMs in a layout."""
    inside = "f32" if network.input is None else "s16"
    names = distinct(part.name for part in parts(network.layers))
    made = Building(name, names, inside, layout)
    around.enter(made, network)
    for layer in network.layers:
        KINDS[layer.kind](made, layer, network)
    around.leave(made, network)
    if not any("x" in call.reads for part in made.parts for call in part.calls):
        made.parts = [part for part in made.parts if part.calls[0].results != ("x",)]
    calls = [call for part in made.parts for call in part.calls]
    buffers, scratch = place(calls, made.sizes, made.kept)
    fields = sorted(made.fields.items(), key=lambda item: -item[1].element_bytes)
    return Built(
        name,
        tuple(made.parts),
        made.constants,
        dict(fields),
        made.kept | _places(buffers),
        tuple(buffers),
        scratch,
        INSIDE_TYPES[inside],
        INDICES if network.indices else _type(network.input),
        _type(network.output),
        network.input_size,
        network.output_size,
        network.last_step,
        network.fixed_steps,
        tuple(made.loops),
        not any(getattr(layer, "needs_all_steps", None) for layer in network.layers),
    )


def _type(scale: Any) -> str:
    return "float32" if scale is None else str(scale.type)


def _places(buffers: list[Buffer]) -> dict[str, str]:
    return {
        value: f"state->scratch.values + {buffer.offset}"
        if buffer.offset
        else "state->scratch.values"
        for buffer in buffers
        for value in buffer.values
    }


def _about(name: str, source: Any) -> tuple[str, ...]:
    """The comment above a layer: what it is, and its equations."""
    if source.kind == "dense":
        y = f"{source.activation}(W x + b)" if source.activation else "W x + b"
        return (layer_text(name, source.kind, source), f"y = {y}")
    if source.kind != "recurrent":
        return (repr(source).replace(source.name, name, 1),)
    first = layer_text(name, source.cell_name, source)
    rows = equations(source.cell_name, source.projection_size > 0)
    return (first, *(line for row in rows.values() for line in row))


def _computed(built: Building, layer: Any, network: AnyNetwork) -> None:
    """A layer that computes: by its list of operations, or by a kernel of its own."""
    (source,) = layer.parts
    made = built.layer(source, _about(built.names[source.name], source))
    built.add(made, source, _calls(made, source, built.layout))


def _calls(layer: Layer, source: Any, layout: str) -> str:
    if source.precision == "float32":
        return append_reals(layer, plan_of(source, FLOAT32), source)
    if source.input is None:
        raise ModelError(f"layer '{source.name}' is hybrid, which no C is written for")
    lowered = lower(source)
    if is_fused_lstm(source):
        return append_lstm(layer, lowered, layout)
    return append_operations(layer, lowered, layout)


# Kind of a layer to what appends its calls.
KINDS: dict[str, Callable[[Building, Any, AnyNetwork], None]] = {
    "recurrent": _computed,
    "dense": _computed,
    "activation": _computed,
    "layer_norm": _computed,
    "embedding": around.embedding,
    "read_steps": around.read_steps,
    "repeat": around.repeat,
}
