"""Networks that several tests use: random ones, and the golden vector of the int8 LSTM."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import reading
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.network import Layer, Network, layer_names
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import INT8, Format, Precision
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.scales import Scale

Floats = NDArray[np.float32]


def uniform(rng: np.random.Generator, shape: tuple[int, ...], bound: float) -> Floats:
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def random_direction(
    cell_name: str,
    input_size: int,
    hidden_size: int,
    rng: np.random.Generator,
    *,
    gain: float = 1.0,
    name: str = "layer",
    cell_clip: float = 0.0,
    projection: int = 0,
) -> Direction:
    """PyTorch's initialisation, times `gain`."""
    rows, bound = len(CELLS[cell_name].gates) * hidden_size, gain * hidden_size**-0.5
    n_peepholes = len(CELLS[cell_name].peepholes) * hidden_size
    return Direction(
        name,
        cell_name,
        uniform(rng, (rows, input_size), bound),
        uniform(rng, (rows, projection or hidden_size), bound),
        uniform(rng, (rows,), bound),
        uniform(rng, (rows,), bound),
        cell_clip,
        uniform(rng, (projection, hidden_size), bound) if projection else None,
        uniform(rng, (n_peepholes,), bound) if n_peepholes else None,
    )


def random_recurrent(*args: Any, **options: Any) -> Recurrent[Direction]:
    """A layer of one `random_direction`."""
    return Recurrent((random_direction(*args, **options),))


def random_bidirectional(
    cell_name: str,
    input_size: int,
    hidden_size: int,
    rng: np.random.Generator,
    *,
    gain: float = 1.0,
    name: str = "layer",
    cell_clip: float = 0.0,
) -> Recurrent[Direction]:
    both = (
        random_direction(
            cell_name, input_size, hidden_size, rng, gain=gain, name=n, cell_clip=cell_clip
        )
        for n in (name, f"{name}_reverse")
    )
    return Recurrent(tuple(both))


def bidirectional_network(
    cell_name: str = "lstm",
    sizes: tuple[int, ...] = (5, 16),
    *,
    outputs: int = 0,
    activation: str | None = None,
    last_step: bool = False,
    gain: float = 1.0,
    cell_clip: float = 0.0,
) -> Network:
    """Bidirectional layers of sizes[0] -> 2 sizes[1] -> ..., and a dense head if `outputs`."""
    rng = np.random.default_rng(len(sizes))
    into = (sizes[0], *(2 * size for size in sizes[1:]))
    kind = cell_name.split("_")[0]
    layers: list[Layer] = [
        random_bidirectional(
            cell_name, i, h, rng, gain=gain, name=f"{kind}{k + 1}", cell_clip=cell_clip
        )
        for k, (i, h) in enumerate(zip(into, sizes[1:], strict=False))
    ]
    if outputs:
        weight = uniform(rng, (outputs, into[-1]), into[-1] ** -0.5)
        layers.append(Dense("dense1", weight, uniform(rng, (outputs,), 1), activation))
    return Network(reading(layers, last_step=last_step))


def random_network(
    cell_name: str = "lstm",
    sizes: tuple[int, ...] = (5, 16),
    *,
    outputs: int = 0,
    activation: str | None = None,
    last_step: bool = False,
    seed: int = 0,
    gain: float = 1.0,
    cell_clip: float = 0.0,
) -> Network:
    """Recurrent layers of sizes[0] -> sizes[1] -> ..., and a dense head if `outputs` is not 0."""
    rng = np.random.default_rng(seed)
    names = iter(layer_names([cell_name] * (len(sizes) - 1) + ["dense"]))
    layers: list[Layer] = [
        random_recurrent(cell_name, i, h, rng, gain=gain, name=next(names), cell_clip=cell_clip)
        for i, h in zip(sizes, sizes[1:], strict=False)
    ]
    if outputs:
        bound = sizes[-1] ** -0.5
        weight, bias = uniform(rng, (outputs, sizes[-1]), bound), uniform(rng, (outputs,), bound)
        layers.append(Dense(next(names), weight, bias, activation))
    return Network(reading(layers, last_step=last_step))


def random_input(network: Network | QuantizedNetwork, n: int, steps: int, seed: int = 1) -> Floats:
    """(n, steps, input_size), normal, each sequence with a size of its own."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.3, 1.5, (n, 1, 1))
    return (rng.normal(size=(n, steps, network.input_size)) * size + 0.2).astype(np.float32)


GATES = ("i", "f", "g", "o")
GOLDEN_W = [[50, -20], [10, 127], [-127, 33], [64, 5], [99, -1], [-77, 127], [7, -127], [120, 40]]
GOLDEN_R = [[-60, 127], [31, -9], [127, 2], [-50, -44], [18, -127], [101, 60], [-127, 70], [3, 88]]
GOLDEN_B = [100, -200, 3600, 4000, -50, 250, 0, 700]
GOLDEN_X = [[60, -90], [-128, 127], [12, 40], [127, -5]]
GOLDEN_WEIGHT_SCALES = {
    f"{side} {gate}": float(np.float32(scale))
    for side, scales in (("ih", (0.011, 0.009, 0.013, 0.008)), ("hh", (0.006, 0.007, 0.005, 0.004)))
    for gate, scale in zip(GATES, scales, strict=True)
}

INT16X8 = Precision(
    "int16x8",
    "int8",
    "int64",
    {**INT8.formats, "input": Format("int16"), "output": Format("int16")},
)


def golden_lstm(wide: bool = False) -> QuantizedNetwork:
    """Two units, two inputs, free scales; worked out by TFLM and LiteRT themselves.

    `wide`: 16-bit activations, which TFLM alone has.
    """
    zeros = np.zeros((8, 2), np.float32)
    layer = Direction("lstm1", "lstm", zeros, zeros, zeros[:, 0].copy(), zeros[:, 0].copy())
    plan = plan_of(layer, INT16X8 if wide else INT8)
    x, h = Scale(0.025, 3, "int8"), Scale(0.0075, -2, "int8")
    if wide:
        x, h = Scale(0.0001, 0, "int16"), Scale(0.00003, 0, "int16")
    x, h = (dataclasses.replace(s, scale=float(np.float32(s.scale))) for s in (x, h))
    by_role = {"input": x, "output": h, "cell": Scale(2.0**-12, 0, "int16")}
    by_role |= {"sum": Scale(2.0**-12, 0, "int16"), "activation": Scale(2.0**-15, 0, "int16")}
    bias = np.array(GOLDEN_B, np.int64) * (250 if wide else 1)
    return QuantizedNetwork(
        (
            Recurrent(
                (
                    QuantizedDirection(
                        plan,
                        np.array(GOLDEN_W, np.int8),
                        np.array(GOLDEN_R, np.int8),
                        bias.astype(np.int64 if wide else np.int32),
                        np.zeros(8, np.int32),
                        GOLDEN_WEIGHT_SCALES,
                        {value: by_role[role] for value, role in plan.roles.items()},
                    ),
                )
            ),
        ),
    )
