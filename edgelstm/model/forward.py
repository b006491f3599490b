"""forward: the traced equations on arrays in float64, the oracle of every float kernel and file."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells.spec import sigmoid, tanh
from edgelstm.model.network import Bidirectional, Dense, Network, Recurrent, arrays, split_point
from edgelstm.model.plan import RecurrentPlan, recurrent_plan
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
    forward = (x.forward if isinstance(x, Bidirectional) else x for x in network.layers)
    return {x.name: _zeros(x, batch) for x in forward if isinstance(x, Recurrent)}


def _zeros(layer: Recurrent, batch: int) -> dict[str, Doubles]:
    return {s: np.zeros((batch, layer.state_size(s))) for s in layer.spec.states}


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
    y = np.asarray(x, np.float64)
    split = split_point(network.layers)
    after = dict(states)
    for k, layer in enumerate(network.layers):
        if isinstance(layer, Recurrent):
            y, after[layer.name] = _run_recurrent(layer, y, states[layer.name], see)
        elif isinstance(layer, Bidirectional):
            there, after[layer.name] = _run_recurrent(layer.forward, y, states[layer.name], see)
            zeros = _zeros(layer.backward, len(y))
            back, _ = _run_recurrent(layer.backward, y[:, ::-1], zeros, see)
            y = np.concatenate([there, back[:, ::-1]], 2)
        else:
            y = _run_dense(layer, y, see)
        if network.last_step and k + 1 == split:
            y = y[:, -1]
    return y, after


def _run_recurrent(
    layer: Recurrent, x: Doubles, states: Mapping[str, Doubles], see: See | None
) -> tuple[Doubles, dict[str, Doubles]]:
    plan = recurrent_plan(layer, FLOAT32)
    wide = {name: array.astype(np.float64) for name, array in arrays(layer).items()}
    affine = affines(
        plan,
        {name.removeprefix("weight_"): w for name, w in wide.items() if "weight" in name},
        {"ih": wide["bias_ih"], "hh": wide["bias_hh"]},
    )
    step = step_of(plan, affine, layer.cell_clip)
    state, y = dict(states), np.empty((*x.shape[:2], layer.output_size))
    for t in range(x.shape[1]):
        values = step({"x": x[:, t], **state})
        state = {s: values[v] for s, v in zip(plan.states, plan.new_states, strict=True)}
        y[:, t] = state[plan.states[0]]
        if see:
            see(layer.name, values)
    return y, state


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
