"""A network on its way to C: its parts so far, what lies where, and which value goes on."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from edgelstm.formats.c.calls import Call, Constants, Part
from edgelstm.formats.c.layer import Layer
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import FLOAT32

INSIDE_TYPES = {"s16": "int16_t", "f32": "float"}
BYTES = {"int16_t": 2, "int32_t": 4, "float": 4}


@dataclasses.dataclass(frozen=True)
class Field:
    """Of the state, what is kept from step to step.

    Attributes:
        c_type: Of an element.
        size: Elements.
        start: What a sequence begins with, in C; None: it is written before it is read.
    """

    c_type: str
    size: int
    start: str | None

    @property
    def element_bytes(self) -> int:
        """Of one element."""
        return BYTES[self.c_type]


class Building:
    """Collects the parts of a network.

    Args:
        network: Its name in C.
        names: Part of the network to its name in C.
        inside: `s16` or `f32`: what every value between the ends is.
        layout: Of the weights of a fused LSTM.
    """

    def __init__(self, network: str, names: dict[str, str], inside: str, layout: str) -> None:
        self.constants, self.names = Constants(network), names
        self.inside, self.layout = inside, layout
        self.parts: list[Part] = []
        self.sizes: dict[str, int] = {}
        self.kept: dict[str, str] = {}
        self.fields: dict[str, Field] = {}
        self.value, self.once = "x", False
        self.loops = ["steps"]  # of each loop its steps, in C

    @property
    def loop(self) -> int:
        """Which of the loops is built."""
        return len(self.loops) - 1

    def layer(self, source: Any, about: Iterable[str]) -> Layer:
        """A part that computes, on the value that goes on."""
        called = self.names[source.name]
        part = Part(called, tuple(about), once=self.once, loop=self.loop)
        real = self.inside == "f32"
        plan = plan_of(source, FLOAT32) if real else source.plan
        return Layer(part, self.value, plan.sizes, self.constants, self.inside)

    def add(self, made: Layer, source: Any, value: str) -> None:
        """The part that was made of a layer; `value` goes on."""
        self.value = value
        self.sizes |= made.sizes
        self.kept |= made.kept
        zero = "0.0F" if self.inside == "f32" else "0"
        for state in source.sizes.operations.states:
            field = made.kept[made.named(state)].removeprefix("state->")
            self.fields[field] = Field(INSIDE_TYPES[self.inside], made.size(state), zero)
        self.parts.append(made.part)

    def plain(self, name: str, *calls: Call) -> None:
        """Calls that stand in the step itself."""
        self.parts.append(Part(name, calls=list(calls), once=self.once, loop=self.loop))

    def keep(self, name: str, size: int, start: str | None = None, c_type: str = "") -> str:
        """A field of the state for what is read of the steps; returns its name as a value."""
        field = name
        while field in self.fields or field in self.names.values():
            field += "_"
        self.fields[field] = Field(c_type or INSIDE_TYPES[self.inside], size, start)
        self.kept[field] = f"state->{field}"
        return field

    def buffer(self, name: str, size: int) -> str:
        """A value that lies in scratch memory; returns its name."""
        while name in self.sizes:
            name += "_"
        self.sizes[name] = size
        return name
