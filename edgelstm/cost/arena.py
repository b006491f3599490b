"""The arena of TensorFlow Lite Micro, computed: an upper bound where no runtime can measure it.

Its planner places buffers that are needed at the same time side by side, the largest first; that
is done here with the same buffers. States and what it notes down about each operator come on top.
"""

import dataclasses

from edgelstm.cost.count_ops import planned, stored_bytes
from edgelstm.layers.directions import is_bidirectional
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.model.network import Network
from edgelstm.model.plan import DensePlan, RecurrentPlan
from edgelstm.quantization.quantized import QuantizedNetwork

ALIGNMENT_BYTES = 16
EXTRA_OPERATORS = ("sigmoid", "softmax", "tanh")  # activations that are operators of their own

# What TFLM notes down per graph, LSTM, dense layer and other operator, and what planning takes per
# graph and LSTM before the first call; measured on x86-64, where pointers are twice as wide.
KEPT_BYTES = {"graph": 736, "lstm": 1280, "dense": 416, "other": 144}
PLANNING_BYTES = {"graph": 432, "lstm": 1024, "dense": 48, "other": 80}


@dataclasses.dataclass(frozen=True)
class Buffer:
    """Bytes that hold a value from one operator to another, both included."""

    size_bytes: int
    first: int
    last: int


@dataclasses.dataclass(frozen=True)
class Arena:
    """Bytes of states, of values in and between operators, of what the interpreter notes."""

    states_bytes: int
    values_bytes: int
    notes_bytes: int


def arena(network: Network | QuantizedNetwork, precision: str | None, steps: int) -> Arena:
    """Upper bound of what a `.tflite` file needs that computes `steps` steps a call.

    Raises:
        ModelError: The precision is unknown, or not the quantized network's.
    """
    graph = _Graph(network, precision, steps)
    kept, planning = (
        table["graph"] + sum(n * table[kind] for kind, n in graph.operators.items())
        for table in (KEPT_BYTES, PLANNING_BYTES)
    )
    values = placed_bytes(graph.buffers)
    return Arena(graph.states_bytes, values, kept + max(0, planning - values))


class _Graph:
    """Buffers and operators, one after the other, as the file has them."""

    def __init__(
        self, network: Network | QuantizedNetwork, precision: str | None, steps: int
    ) -> None:
        self.buffers: list[Buffer] = []
        self.operators = {"lstm": 0, "dense": 0, "other": 0}
        self.states_bytes, self.steps, self.now = 0, steps, 0
        plans = iter(planned(network, precision).layers)
        self.x_bytes: int | None = None
        self.since = 0
        for layer in network.layers:
            if isinstance(layer, ReadSteps):
                self._last_step(is_end=layer is network.layers[-1])
                continue
            plan = next(plans)
            if is_bidirectional(layer):
                assert isinstance(plan, RecurrentPlan)
                next(plans)
                self._both(plan)
            elif isinstance(plan, RecurrentPlan):
                self._recurrent(plan)
            else:
                self._dense(plan)
        assert self.x_bytes is not None
        self.buffers.append(Buffer(_aligned(self.x_bytes), self.since, self.now))

    def _last_step(self, *, is_end: bool) -> None:
        """What reads the last step in front of other layers."""
        assert self.x_bytes is not None
        if not is_end:
            one = self.x_bytes // self.steps
            self.steps = 1
            self._operator("other", one)

    def _operator(self, kind: str, y_bytes: int) -> None:
        """One that reads what the last one gave."""
        self.now += 1
        self.operators[kind] += 1
        assert self.x_bytes is not None
        self.buffers.append(Buffer(_aligned(self.x_bytes), self.since, self.now))
        self.x_bytes, self.since = y_bytes, self.now

    def _recurrent(self, plan: RecurrentPlan) -> None:
        x, y = self._in_out(plan)
        self.x_bytes = x if self.x_bytes is None else self.x_bytes
        self._operator("lstm", y)
        self._scratch(plan)

    def _scratch(self, plan: RecurrentPlan) -> None:
        self.buffers += [Buffer(size, self.now, self.now) for size in _scratch_bytes(plan)]
        self.states_bytes += sum(_aligned(_size(plan, state)) for state in plan.states)

    def _both(self, plan: RecurrentPlan) -> None:
        """x to y; x reversed to b; b reversed; y and b side by side."""
        x, y = self._in_out(plan)
        x = x if self.x_bytes is None else self.x_bytes
        there = self.now + 1
        self.buffers += [
            Buffer(_aligned(x), self.since, there + 1),
            Buffer(_aligned(y), there, there + 4),
            Buffer(_aligned(x), there + 1, there + 2),
            Buffer(_aligned(y), there + 2, there + 3),
            Buffer(_aligned(y), there + 3, there + 4),
        ]
        for self.now in (there, there + 2):
            self._scratch(plan)
        self.operators["lstm"] += 2
        self.operators["other"] += 3
        self.now = self.since = there + 4
        self.x_bytes = 2 * y

    def _dense(self, plan: DensePlan) -> None:
        formats = plan.precision.formats
        one = plan.output_size * stored_bytes(formats["output"].type)
        if self.x_bytes is None:
            self.x_bytes = self.steps * plan.input_size * stored_bytes(formats["input"].type)
        self._operator("dense", self.steps * one)
        if plan.activation in EXTRA_OPERATORS:
            self._operator("other", self.steps * one)

    def _in_out(self, plan: RecurrentPlan) -> tuple[int, int]:
        return self.steps * _size(plan, "x"), self.steps * _size(plan, plan.states[0])


def _size(plan: RecurrentPlan, value: str) -> int:
    return plan.sizes[value] * stored_bytes(plan.format(value).type)


def _scratch_bytes(plan: RecurrentPlan) -> list[int]:
    """A buffer per gate in the fused LSTM; for other cells one per result of an operation."""
    gates = [op.result for op in plan.ops if op.kind in ("sigmoid", "tanh")]
    fused = plan.cell_name == "lstm"
    return [
        _aligned(_size(plan, v)) for v in (gates[:4] if fused else [o.result for o in plan.ops])
    ]


def placed_bytes(buffers: list[Buffer]) -> int:
    """Height of all buffers when each, the largest first, takes the lowest place that is free.

    Of equal ones the last comes first, as TFLM sorts them.

    >>> placed_bytes([Buffer(16, 0, 1), Buffer(32, 1, 2), Buffer(16, 2, 3)])
    48
    """
    placed: list[tuple[int, Buffer]] = []
    for buffer in sorted(reversed(buffers), key=lambda b: -b.size_bytes):
        beside = sorted(
            (start, start + other.size_bytes)
            for start, other in placed
            if other.first <= buffer.last and buffer.first <= other.last
        )
        at = 0
        for start, end in beside:
            if start - at >= buffer.size_bytes:
                break
            at = max(at, end)
        placed.append((at, buffer))
    return max(start + buffer.size_bytes for start, buffer in placed)


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
