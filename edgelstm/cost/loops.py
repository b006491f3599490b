"""The arena of TensorFlow Lite Micro for a file of step graphs: whole sequences in WHILE loops.

The interpreter holds a loop's variables three times while it runs: as they go in, in the body, and
as they come out. A file of one step needs no more than a loop over one.
"""

from collections.abc import Sequence

from edgelstm.cost.buffers import LayerBuffers
from edgelstm.cost.placing import Buffer, aligned, placed_bytes

COUNTER_BYTES, PLACE_BYTES = 4, 12  # the step's number, and where it lies in an array

# What TFLM notes down per tensor, and what it takes per tensor while it plans, before the first
# call; measured on x86-64, where pointers are twice as wide.
KEPT_BYTES, PLANNING_BYTES = 100, 166
MOVES = ("reverse", "repeat")
LOOP_TENSORS, STATE_TENSORS = 24, 4  # of a loop, and of each state


def loop_arena(layers: Sequence[LayerBuffers], steps: int) -> tuple[int, int, int]:
    """Bytes of states, of values in and between operators, of what the interpreter notes.

    Args:
        layers: In the order in which they run.
        steps: Of one call, at least 1.
    """
    graph = _Graph(steps, steps * layers[0].input_bytes)
    waiting: list[LayerBuffers] = []
    for layer in layers:
        waiting.append(layer)
        if layer.n_directions > 1 or layer.operator in MOVES:
            graph.run(waiting[:-1])
            (graph.both if layer.n_directions > 1 else graph.moved)(layer)
            waiting = []
    graph.run(waiting)
    graph.close()
    states = sum(aligned(n) for layer in layers for n in layer.n_directions * layer.states_bytes)
    values = placed_bytes(graph.buffers)
    notes = max(KEPT_BYTES * graph.tensors, PLANNING_BYTES * graph.tensors - values)
    return states, values, notes


class _Graph:
    """Buffers and operators over time, all graphs of the file after each other as they run."""

    def __init__(self, steps: int, x_bytes: int) -> None:
        self.steps, self.now = steps, 0
        self.x_bytes, self.since = x_bytes, 0  # of what the next layer takes
        self.buffers: list[Buffer] = []
        self.tensors = 0

    def _hold(self, size_bytes: int, first: int, last: int) -> None:
        self.buffers.append(Buffer(aligned(size_bytes), first, last))

    def run(self, layers: Sequence[LayerBuffers]) -> None:
        """Layers of one direction: a loop up to the last recurrent one, the others at once."""
        split = max((k + 1 for k, layer in enumerate(layers) if layer.states_bytes), default=0)
        if split:
            self._loop(layers[:split])
        for layer in layers[split:]:
            rows = self.steps if not layer.once else 1
            self._operations(layer, rows)

    def close(self) -> None:
        """The result stays to the end."""
        self._hold(self.x_bytes, self.since, self.now)

    def _operations(self, layer: LayerBuffers, rows: int) -> None:
        """A layer without states, on so many rows."""
        start = self.now + 1
        self._hold(self.x_bytes, self.since, start + layer.x_last)
        for k, (size, last) in enumerate(layer.values[:-1]):
            self._hold(rows * size, start + k, start + last)
        self._count(layer)
        self.now = self.since = start + len(layer.values) - 1
        self.x_bytes = rows * layer.values[-1][0]

    def _count(self, layer: LayerBuffers) -> None:
        self.tensors += len(layer.values) + layer.n_constants
        self.tensors += STATE_TENSORS * len(layer.states_bytes)

    def _loop(self, layers: Sequence[LayerBuffers]) -> None:
        """FILL, WHILE; inside of it the condition, then the body."""
        every = not layers[-1].read_last
        x, out = self.x_bytes, self.steps * layers[-1].output_bytes * every
        states = [n for layer in layers for n in layer.states_bytes]
        filled, condition, body = self.now + 1, self.now + 2, self.now + 3
        time, since = body + 2, body + 1
        row = layers[0].input_bytes
        self._hold(PLACE_BYTES, body, time + sum(len(layer.values) for layer in layers) + 2)
        for layer in layers:
            self._hold(row, since, time + layer.x_last)
            for k, (size, last) in enumerate(layer.values[:-1]):
                self._hold(size, time + k, time + last)
            time += len(layer.values)
            row, since = layer.output_bytes, time - 1
            self._count(layer)
        end = time + 2
        self._hold(row, since, end)
        self._hold(x, self.since, end)
        self._hold(out, filled, end)
        for size in (COUNTER_BYTES, x, out, *states):
            self._hold(size, condition, condition)
            self._hold(size, body, end)  # in the body
        for size in (COUNTER_BYTES, x, *states):
            self._hold(size, condition, end)  # as they come out; the result is held below
        self._hold(out, time, end)
        self.tensors += LOOP_TENSORS
        self.now, self.since = end, condition
        self.x_bytes = out if every else row

    def moved(self, layer: LayerBuffers) -> None:
        """The steps in the other order, or one of them repeated, beside what they are made of."""
        self._hold(self.x_bytes, self.since, self.now + 1)
        self.now = self.since = self.now + 1
        self.tensors += 1
        if layer.steps:
            self.steps, self.x_bytes = layer.steps, layer.steps * layer.output_bytes

    def both(self, layer: LayerBuffers) -> None:
        """Bidirectional: a loop; x reversed; a loop; y reversed; both side by side."""
        x, since = self.x_bytes, self.since
        self._loop([layer])
        first, first_since = self.x_bytes, self.since
        self.x_bytes, self.since = x, self.now + 1
        self._hold(x, since, self.now + 1)
        self._loop([layer])
        self._hold(self.x_bytes, self.since, self.now + 1)
        self._hold(self.x_bytes, self.now + 1, self.now + 2)
        self._hold(first, first_since, self.now + 2)
        self.now += 2
        self.x_bytes, self.since = 2 * self.x_bytes, self.now
