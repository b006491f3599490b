"""forward: the traced equations on arrays in float64, the oracle of every float kernel and file."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells.spec import sigmoid, tanh
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.network import Network
from edgelstm.model.plan import RecurrentPlan, structure
from edgelstm.model.precision import FLOAT32

Doubles = NDArray[np.float64]
States = dict[str, dict[str, Any]]  # layer -> state -> (batch, its size)
See = Callable[[str, Mapping[str, Doubles]], None]
Step = Callable[[dict[str, Doubles]], dict[str, Doubles]]

REAL: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "complement": lambda v: 1 - v,
    "sigmoid": sigmoid,
    "tanh": tanh,
}


def forward(network: Network, x: NDArray[np.floating]) -> Doubles:
    """The network's result in float64, from zero states.

    Args:
        network: Float weights.
        x: (batch, steps, input_size).

    Returns:
        (batch, steps, output_size), or (batch, output_size) if the network reads the last step.
    """
    return advance(network, x, zero_states(network, len(x)))[0]


def zero_states(network: Network, batch: int) -> States:
    """Every state that goes on from call to call at 0: not those of reverse directions."""
    return {
        layer.name: _Equations(layer.forward).start(batch)
        for layer in network.layers
        if isinstance(layer, Recurrent)
    }


@np.errstate(over="ignore", invalid="ignore")  # what is not finite goes on as it is
def advance(
    network: Network, x: NDArray[np.floating], states: States, see: See | None = None
) -> tuple[Doubles, States]:
    """As `forward`, from given states; also returns the states at the end.

    A reverse direction starts from zero, at the last step of x.

    Args:
        network: Float weights.
        x: (batch, steps, input_size).
        states: Layer to state to (batch, its size).
        see: Called with a layer and every value that comes up in one of its steps.
    """
    walk = Walk(_Equations, lambda layer, y: _run_dense(layer, y, see), see)
    return walk.through(network.layers, np.asarray(x, np.float64), states)


class Computed(Protocol):
    """One direction of a recurrent layer as it is computed, float or in integers."""

    @property
    def plan(self) -> RecurrentPlan:
        """Its operations, states and sizes."""

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
        computed: A direction to how it is computed.
        dense: A dense layer and its input to its result.
        see: See `advance`.
    """

    computed: Callable[[Any], Computed]
    dense: Callable[[Any, NDArray[Any]], NDArray[Any]]
    see: See | None = None

    def through(
        self, layers: Sequence[Any], x: NDArray[Any], states: States
    ) -> tuple[NDArray[Any], States]:
        """The result of layers one after the other, and the states of the forward directions."""
        y, after = x, dict(states)
        for layer in layers:
            if isinstance(layer, Recurrent):
                y, after[layer.name] = self._recurrent(layer, y, states[layer.name])
            elif isinstance(layer, ReadSteps):
                y = y[:, -1]
            else:
                y = self.dense(layer, y)
        return y, after

    def _recurrent(
        self, layer: Recurrent[Any], x: NDArray[Any], states: Mapping[str, Any]
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Outputs of all directions side by side; a reverse one begins anew, at the last step."""
        there = self.computed(layer.forward)
        y, after = self._steps(there, x, states)
        ys = [y]
        for direction in layer.directions[1:]:
            back = self.computed(direction)
            ys.append(self._steps(back, x[:, ::-1], back.start(len(x)))[0][:, ::-1])
        return (np.concatenate(ys, 2) if len(ys) > 1 else y), after

    def _steps(
        self, computed: Computed, x: NDArray[Any], states: Mapping[str, Any]
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        plan, x = computed.plan, computed.enter(x)
        state, y = dict(states), np.empty((*x.shape[:2], plan.sizes[plan.states[0]]), x.dtype)
        for t in range(x.shape[1]):
            values = computed.step({"x": x[:, t], **state})
            state = {s: values[v] for s, v in zip(plan.states, plan.new_states, strict=True)}
            y[:, t] = state[plan.states[0]]
            if self.see:
                self.see(plan.name, values)
        return y, state


class _Equations:
    """A direction by its equations, in float64."""

    def __init__(self, direction: Direction) -> None:
        self.plan, self._direction = structure(direction, FLOAT32), direction

    @functools.cached_property
    def step(self) -> Step:
        """See `Computed`."""
        wide = {name: a.astype(np.float64) for name, a in self._direction.arrays.items()}
        affine = affines(
            self.plan,
            {name.removeprefix("weight_"): w for name, w in wide.items() if "weight" in name},
            {"ih": wide["bias_ih"], "hh": wide["bias_hh"]},
        )
        return step_of(self.plan, affine, self._direction.cell_clip)

    def start(self, batch: int) -> dict[str, Doubles]:
        """See `Computed`: zeros."""
        return {s: np.zeros((batch, self.plan.sizes[s])) for s in self.plan.states}

    def enter(self, x: NDArray[Any]) -> NDArray[Any]:
        """See `Computed`: as it is."""
        return x


def affines(
    plan: RecurrentPlan, weights: Mapping[str, Doubles], biases: Mapping[str, Doubles]
) -> dict[str, Callable[[Doubles], Doubles]]:
    """Result to operation, of those with weights: affines with their biases, peepholes."""
    found: dict[str, Callable[[Doubles], Doubles]] = {}
    for op in plan.ops:
        if op.kind == "scale":
            found[op.result] = _scaled(weights["peephole"][plan.peephole(op.gate)])
        elif op.side:
            found[op.result] = _weighed(
                weights[op.side][plan.rows(op.gate)].T, plan.bias(op, biases)
            )
    return found


def _scaled(weight: Doubles) -> Callable[[Doubles], Doubles]:
    return lambda v: v * weight


def _weighed(weight: Doubles, bias: Doubles) -> Callable[[Doubles], Doubles]:
    return lambda v: v @ weight + bias


def step_of(
    plan: RecurrentPlan, affine: Mapping[str, Callable[[Doubles], Doubles]], clip: float
) -> Step:
    """One time step: a function that adds each operation's result to the values it is given."""
    named = {**REAL, "clip": lambda v: np.clip(v, -clip, clip)}
    calls = [(op.result, affine.get(op.result) or named[op.kind], op.args) for op in plan.ops]

    def step(values: dict[str, Doubles]) -> dict[str, Doubles]:
        for result, function, args in calls:
            values[result] = function(*[values[a] for a in args])
        return values

    return step


def _run_dense(layer: Dense, x: Doubles, see: See | None) -> Doubles:
    fused = "relu" if layer.activation == "relu" else None
    y = activate(x @ layer.weight.T.astype(np.float64) + layer.bias, fused)
    if see:
        see(layer.name, {"linear": y})
    return activate(y, layer.activation)


def activate(y: Doubles, activation: str | None) -> Doubles:
    """A dense layer's activation on float arrays, over the last axis."""
    if activation == "relu":
        return np.maximum(y, 0)
    if activation == "sigmoid":
        return np.asarray(sigmoid(y))
    if activation == "softmax":
        e = np.exp(y - y.max(-1, keepdims=True))
        return np.asarray(e / e.sum(-1, keepdims=True))
    return y
