"""Integer LSTMs of any scales and zero points, as no calibration makes them."""

import dataclasses
from typing import Any

import numpy as np

from edgelstm.layers.read_steps import reading
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import INT8
from edgelstm.quantization.fixedpoint import short_scale
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.scales import Scale

GATES = ("i", "f", "g", "o")
ZERO_POINTS = (-128, -6, 0, 127)
CELLS_LOG2 = range(-15, -8)
GAINS = (0.3, 1.0, 6.0, 40.0)
# At most so many pairs: the fused assembly is code per pair.
SIZES = [(i, h) for h in (1, 3, 8, 33) for i in (1, 5, 12, 40)]


@dataclasses.dataclass(frozen=True)
class Case:
    """What a random LSTM is made of; `free`: scales that are not short."""

    sizes: tuple[int, int]
    layers: int
    head: str | None
    last_step: bool
    x_zero_point: int
    h_zero_point: int
    cell_log2: int
    gain: float
    clip: float
    free: bool
    special: str | None


def random_case(rng: np.random.Generator) -> Case:
    pick: Any = rng.choice
    return Case(
        SIZES[rng.integers(len(SIZES))],
        int(rng.integers(1, 3)),
        pick([None, "none", "relu", "sigmoid", "tanh"]),
        bool(rng.integers(2)),
        int(pick(ZERO_POINTS)),
        int(pick(ZERO_POINTS)),
        int(pick(CELLS_LOG2)),
        float(pick(GAINS)),
        float(pick([0.0, 0.0, 0.0, 0.5])),
        bool(rng.integers(2)),
        pick([None, None, "zeros", "bias"]),
    )


def lstm_of(case: Case, rng: np.random.Generator) -> QuantizedNetwork:
    """A network of the case; the second layer is as wide as the first."""
    inputs, hidden = case.sizes

    def scale(real: float) -> float:
        return float(np.float32(real if case.free else short_scale(real)))

    x = Scale(scale(0.03 * rng.uniform(0.5, 2)), case.x_zero_point, "int8")
    h = Scale(scale(2 / 255 * rng.uniform(0.5, 1)), case.h_zero_point, "int8")
    layers: list[Any] = []
    for k in range(case.layers):
        name = f"lstm{k + 1}"
        layers.append(Recurrent((_direction(case, name, (inputs, hidden), (x, h), scale, rng),)))
        inputs, x = hidden, h
    if case.head:
        layers.append(_dense(case, hidden, h, scale, rng))
    return QuantizedNetwork(reading(layers, last_step=case.last_step))


def _direction(
    case: Case,
    name: str,
    sizes: tuple[int, int],
    ends: tuple[Scale, Scale],
    scale: Any,
    rng: np.random.Generator,
) -> QuantizedDirection:
    (inputs, hidden), (x, h) = sizes, ends
    zeros = np.zeros((4 * hidden, inputs), np.float32)
    square, line = np.zeros((4 * hidden, hidden), np.float32), np.zeros(4 * hidden, np.float32)
    plan = plan_of(Direction(name, "lstm", zeros, square, line, line, case.clip), INT8)
    weights = [rng.integers(-127, 128, (4 * hidden, n)).astype(np.int8) for n in sizes]
    weight_ih, weight_hh = weights
    bias = rng.integers(-3000, 3000, 4 * hidden)
    if case.special == "zeros":
        weights[0][:hidden] = 0
        weights[1][:hidden] = 0
    if case.special == "bias":
        weights[0][hidden : 2 * hidden] = rng.integers(-1, 2, (hidden, inputs))
        bias[hidden : 2 * hidden] = rng.integers(-500_000, 500_000, hidden)
    spread = case.gain / (127 * np.sqrt(hidden))
    weight_scales = {
        f"{side} {gate}": scale(spread * rng.uniform(0.5, 1.5))
        for side in ("ih", "hh")
        for gate in GATES
    }
    by_role = {
        "input": x,
        "output": h,
        "cell": Scale(2.0**case.cell_log2, 0, "int16"),
        "sum": Scale(2.0**-12, 0, "int16"),
        "activation": Scale(2.0**-15, 0, "int16"),
    }
    return QuantizedDirection(
        plan,
        weight_ih,
        weight_hh,
        bias.astype(np.int32),
        np.zeros(4 * hidden, np.int32),
        weight_scales,
        {value: by_role[role] for value, role in plan.roles.items()},
        case.clip,
    )


def _dense(
    case: Case, hidden: int, h: Scale, scale: Any, rng: np.random.Generator
) -> QuantizedDense:
    return QuantizedDense(
        "dense1",
        rng.integers(-127, 128, (3, hidden)).astype(np.int8),
        rng.integers(-3000, 3000, 3).astype(np.int32),
        scale(1 / (127 * np.sqrt(hidden))),
        h,
        Scale(scale(0.03), int(rng.integers(-128, 128)), "int8"),
        None if case.head == "none" else case.head,
    )
