"""forward: the traced equations on arrays in float64, the oracle of every float kernel and file."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells.spec import sigmoid, tanh
from edgelstm.layers.read_steps import READ, backward, check_steps, largest_starts
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.front import entered
from edgelstm.model.network import Network
from edgelstm.model.plan import LayerPlan, plan_of
from edgelstm.model.precision import FLOAT32

Doubles = NDArray[np.float64]
States = dict[str, dict[str, Any]]  # layer -> state -> (batch, its size)
See = Callable[[str, Mapping[str, Doubles]], None]
Step = Callable[[dict[str, Doubles]], dict[str, Doubles]]


def softmax(v: Any) -> Any:
    """Softmax over the last axis."""
    e = np.exp(v - v.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


REAL: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "complement": lambda v: 1 - v,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": lambda v: np.maximum(v, 0),
    "softmax": softmax,
    "log_softmax": lambda v: v - v.max(-1, keepdims=True) - _log_sum(v),
}


def _log_sum(v: Any) -> Any:
    return np.log(np.exp(v - v.max(-1, keepdims=True)).sum(-1, keepdims=True))


def _elu(v: Any, alpha: Any) -> Any:
    return np.where(v > 0, v, alpha * np.expm1(np.minimum(v, 0)))


def _layer_norm(v: Any, eps: Any, *affine: Any) -> Any:
    weight, bias = np.split(np.array(affine), 2)
    centred = v - v.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * weight + bias


# The same, of operations that read a part's `constants` behind the value.
WITH_CONSTANTS: dict[str, Callable[..., Any]] = {
    "leaky_relu": lambda v, slope: np.where(v > 0, v, slope * v),
    "elu": _elu,
    "clamp": lambda v, low, high: np.clip(v, low, high),
    "hard_sigmoid": lambda v, slope, middle: np.clip(slope * v + middle, 0, 1),
    "l2_norm": lambda v, least: v / np.maximum(np.sqrt((v**2).sum(-1, keepdims=True)), least),
    "layer_norm": _layer_norm,
}


def forward(network: Network, x: NDArray[Any]) -> Doubles:
    """The network's result in float64, from zero states.

    Args:
        network: Float weights.
        x: (batch, steps, input_size); before an embedding (batch, steps) of indices.

    Returns:
        (batch, steps, output_size), or (batch, output_size) if the network reads the last step.
    """
    behind = network.behind
    if network.steps:
        check_steps(network.layers, x.shape[1])
    return advance(behind, entered(network, x), zero_states(behind, len(x)))[0]


def zero_states(network: Network, batch: int) -> States:
    """Every state that goes on from call to call at 0: not those of reverse directions.

    A max of the steps begins at the least number.
    """
    return {
        layer.name: _Equations(layer.forward).start(batch) for layer in going_on(network.layers)
    } | largest_states(network, batch)


def going_on(layers: Iterable[Any]) -> list[Any]:
    """Recurrent layers whose state goes on from call to call: those that read forward."""
    given = list(layers)
    anew = backward(given)
    return [v for v in given if isinstance(v, Recurrent) and v.name not in anew]


def largest_states(network: Any, batch: int) -> States:
    """Of a network of any precision, the max of the steps so far where it streams."""
    starts = largest_starts(network.layers)
    return {name: {"max": np.tile(start, (batch, 1))} for name, start in starts.items()}


@np.errstate(over="ignore", invalid="ignore")  # what is not finite goes on as it is
def advance(
    network: Network, x: NDArray[np.floating], states: States, see: See | None = None
) -> tuple[Doubles, States]:
    """As `forward`, from given states; also returns the states at the end.

    A reverse direction starts from zero, at the last step of x.

    Args:
        network: Float weights, without an embedding or a normalisation in front.
        x: (batch, steps, input_size).
        states: Layer to state to (batch, its size).
        see: Called with a layer and every value that comes up in one of its steps.
    """
    walk = Walk(_Equations, see)
    return walk.through(network.layers, np.asarray(x, np.float64), states)


class Computed(Protocol):
    """A part of a network as it is computed, float or in integers."""

    @property
    def plan(self) -> LayerPlan:
        """Its operations, states and sizes."""

    @property
    def result(self) -> str:
        """Which value goes out of a step."""

    @property
    def new_states(self) -> tuple[str, ...]:
        """Which values become the states."""

    @property
    def step(self) -> Step:
        """One time step: adds every result to the values it is given."""

    def start(self, batch: int) -> dict[str, Any]:
        """State to (batch, its size), as a sequence begins."""

    def enter(self, x: NDArray[Any]) -> NDArray[Any]:
        """(batch, steps, input_size) as the steps take it."""


@dataclasses.dataclass(frozen=True)
class Walk:
    """How a network is computed layer by layer: the one loop over layers, directions and steps.

    Attributes:
        computed: A part of a network to how it is computed.
        see: See `advance`.
        known: What is read of the steps to its function, as `READ`.
    """

    computed: Callable[[Any], Computed]
    see: See | None = None
    known: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = dataclasses.field(
        default_factory=lambda: READ
    )

    def through(
        self, layers: Sequence[Any], x: NDArray[Any], states: States
    ) -> tuple[NDArray[Any], States]:
        """The result of layers one after the other, and the states of the forward directions."""
        y, after = x, dict(states)
        for layer in layers:
            if not layer.parts and layer.name in states:
                y, largest = layer.read_on(y, states[layer.name]["max"], self.known)
                after[layer.name] = {"max": largest}
            elif not layer.parts:
                y = layer.read(y, self.known)
            elif layer.name in states:
                y, after[layer.name] = self._directions(layer, y, states[layer.name])
            elif isinstance(layer, Recurrent):
                y, _ = self._directions(layer, y, self.computed(layer.forward).start(len(y)))
            else:
                y = self._at_once(layer, y)
        return y, after

    def _at_once(self, layer: Any, x: NDArray[Any]) -> NDArray[Any]:
        """A layer without states, on all steps."""
        computed = self.computed(layer)
        values = computed.step({"x": computed.enter(x)})
        if self.see:
            self.see(layer.name, values)
        y: NDArray[Any] = values[computed.result]
        return y

    def _directions(
        self, layer: Any, x: NDArray[Any], states: Mapping[str, Any]
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Outputs of all directions side by side; a reverse one begins anew, at the last step."""
        forward, *backward = map(self.computed, layer.directions)
        y, after = self._steps(forward, x, states)
        ys = [y]
        for back in backward:
            ys.append(self._steps(back, x[:, ::-1], back.start(len(x)))[0][:, ::-1])
        return (np.concatenate(ys, 2) if backward else y), after

    def _steps(
        self, computed: Computed, x: NDArray[Any], states: Mapping[str, Any]
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        plan, x = computed.plan, computed.enter(x)
        state, y = dict(states), np.empty((*x.shape[:2], plan.sizes[plan.result]), x.dtype)
        for t in range(x.shape[1]):
            values = computed.step({"x": x[:, t], **state})
            state = {s: values[v] for s, v in zip(plan.states, computed.new_states, strict=True)}
            y[:, t] = values[computed.result]
            if self.see:
                self.see(plan.name, values)
        return y, state


class _Equations:
    """A part of a network by its equations, in float64."""

    def __init__(self, part: Any) -> None:
        self.plan, self._part = plan_of(part, FLOAT32), part
        self.result, self.new_states = self.plan.result, self.plan.new_states

    @functools.cached_property
    def step(self) -> Step:
        """See `Computed`."""
        return step_of(self.plan, self._part, affines(self.plan, self._part))

    def start(self, batch: int) -> dict[str, Doubles]:
        """See `Computed`: zeros."""
        return {s: np.zeros((batch, self.plan.sizes[s])) for s in self.plan.states}

    def enter(self, x: NDArray[Any]) -> NDArray[Any]:
        """See `Computed`: as it is."""
        return x


def affines(plan: LayerPlan, part: Any) -> dict[str, Callable[[Doubles], Doubles]]:
    """Result to operation, of those with weights: products with their biases, peepholes."""
    found: dict[str, Callable[[Doubles], Doubles]] = {}
    biases = {side: bias.astype(np.float64) for side, bias in part.biases.items()}
    for op in plan.ops:
        if op.kind == "scale":
            found[op.result] = _scaled(part.peephole(op.gate).astype(np.float64))
        elif op.side:
            weight = part.matrix(op.side, op.gate).dense()
            found[op.result] = _weighed(weight.T, plan.bias(op, biases))
    return found


def _scaled(weight: Doubles) -> Callable[[Doubles], Doubles]:
    return lambda v: v * weight


def _weighed(weight: Doubles, bias: Doubles) -> Callable[[Doubles], Doubles]:
    return lambda v: v @ weight + bias


def _reading(function: Callable[..., Any], constants: Doubles) -> Callable[..., Any]:
    return lambda v: function(v, *constants)


def step_of(plan: LayerPlan, part: Any, affine: Mapping[str, Callable[[Doubles], Doubles]]) -> Step:
    """A function that adds each operation's result to the values it is given, real ones."""
    named = {**REAL, "clip": lambda v: np.clip(v, -part.cell_clip, part.cell_clip)}
    if any(op.kind in WITH_CONSTANTS for op in plan.ops):
        read = part.constants.astype(np.float64)
        named |= {kind: _reading(function, read) for kind, function in WITH_CONSTANTS.items()}
    calls = [(op.result, affine.get(op.result) or named[op.kind], op.args) for op in plan.ops]

    def step(values: dict[str, Doubles]) -> dict[str, Doubles]:
        for result, function, args in calls:
            values[result] = function(*[values[a] for a in args])
        return values

    return step
