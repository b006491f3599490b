"""The arena of TensorFlow Lite Micro, computed: an upper bound where no runtime can measure it.

Buffers are placed as its planner places them. States and what it notes down about each operator
come on top.
"""

import dataclasses
import functools
from collections.abc import Iterable

from edgelstm.cost.buffers import LayerBuffers
from edgelstm.cost.loops import loop_arena
from edgelstm.cost.placing import Buffer, aligned, placed_bytes

EXTRA_OPERATORS = ("sigmoid", "softmax", "tanh")  # activations that are operators of their own
KEPT = 256  # networks of which the arena is kept: it is the same on every device

# What TFLM notes down per graph, LSTM, dense layer and other operator, and what planning takes per
# graph and LSTM before the first call; measured on x86-64, where pointers are twice as wide.
KEPT_BYTES = {"graph": 736, "lstm": 1280, "dense": 416, "other": 144}
PLANNING_BYTES = {"graph": 432, "lstm": 1024, "dense": 48, "other": 80}


@dataclasses.dataclass(frozen=True)
class Arena:
    """Bytes of states, of values in and between operators, of what the interpreter notes."""

    states_bytes: int
    values_bytes: int
    notes_bytes: int


def arena(layers: Iterable[LayerBuffers], steps: int) -> Arena:
    """Upper bound of what a `.tflite` file needs that computes `steps` steps a call.

    Args:
        layers: `Counts.buffers`, in the order in which the layers run.
        steps: Of one call, at least 1.
    """
    return _arena(tuple(layers), steps)


@functools.lru_cache(maxsize=KEPT)
def _arena(every: tuple[LayerBuffers, ...], steps: int) -> Arena:
    if any(layer.operator == "steps" for layer in every):
        return Arena(*loop_arena(every, steps))
    graph = _Graph(every, steps)
    kept, planning = (
        table["graph"] + sum(n * table[kind] for kind, n in graph.operators.items())
        for table in (KEPT_BYTES, PLANNING_BYTES)
    )
    values = placed_bytes(graph.buffers)
    return Arena(graph.states_bytes, values, kept + max(0, planning - values))


class _Graph:
    """Buffers and operators, one after the other, as the file has them."""

    def __init__(self, layers: tuple[LayerBuffers, ...], steps: int) -> None:
        self.buffers: list[Buffer] = []
        self.operators = {"lstm": 0, "dense": 0, "other": 0}
        self.states_bytes, self.steps, self.now = 0, steps, 0
        self.x_bytes, self.since = steps * layers[0].input_bytes, 0
        for before, layer in zip((None, *layers), layers, strict=False):
            if before and layer.once and not before.once:
                self.steps = 1
                self._operator("other", self.x_bytes // steps)
            if layer.operator == "dense":
                self._dense(layer)
            elif layer.operator == "reverse":
                self._operator("other", self.x_bytes)
            elif layer.operator == "repeat":
                self.steps = layer.steps
                self._operator("other", self.steps * layer.output_bytes)
            elif layer.n_directions > 1:
                self._both(layer)
            else:
                self._recurrent(layer)
        self.buffers.append(Buffer(aligned(self.x_bytes), self.since, self.now))

    def _operator(self, kind: str, y_bytes: int) -> None:
        """Adds an operator that reads what the operator before it gave."""
        self.now += 1
        self.operators[kind] += 1
        self.buffers.append(Buffer(aligned(self.x_bytes), self.since, self.now))
        self.x_bytes, self.since = y_bytes, self.now

    def _recurrent(self, layer: LayerBuffers) -> None:
        self._operator("lstm", self.steps * layer.output_bytes)
        self._scratch(layer)

    def _scratch(self, layer: LayerBuffers) -> None:
        self.buffers += [Buffer(aligned(n), self.now, self.now) for n in layer.scratch_bytes]
        self.states_bytes += sum(map(aligned, layer.states_bytes))

    def _both(self, layer: LayerBuffers) -> None:
        """Bidirectional: x to y; x reversed to b; b reversed; y and b side by side."""
        x, y = self.x_bytes, self.steps * layer.output_bytes
        there = self.now + 1
        self.buffers += [
            Buffer(aligned(x), self.since, there + 1),
            Buffer(aligned(y), there, there + 4),
            Buffer(aligned(x), there + 1, there + 2),
            Buffer(aligned(y), there + 2, there + 3),
            Buffer(aligned(y), there + 3, there + 4),
        ]
        for self.now in (there, there + 2):
            self._scratch(layer)
        self.operators["lstm"] += 2
        self.operators["other"] += 3 + 2 * layer.read_last  # each direction's last step
        self.now = self.since = there + 4
        self.x_bytes = 2 * y

    def _dense(self, layer: LayerBuffers) -> None:
        self._operator("dense", self.steps * layer.output_bytes)
        if layer.activation in EXTRA_OPERATORS:
            self._operator("other", self.steps * layer.output_bytes)
