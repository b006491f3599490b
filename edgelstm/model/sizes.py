"""A network from its sizes alone, before any training: enough to count, to fit and to estimate."""

import dataclasses
from typing import Any

import numpy as np

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import REVERSE
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.layers.recurrent import Direction, Floats, Recurrent
from edgelstm.model.network import Layer, Network, layer_names

# More is a slip of the keyboard.
LARGEST = {"input": 65536, "hidden": 65536, "layers": 1024, "projection": 65536, "outputs": 65536}


def shapes(
    cell_name: str,
    input_size: int,
    hidden_size: int,
    *,
    layers: int = 1,
    projection: int | None = None,
    outputs: int | None = None,
    bidirectional: bool = False,
    last_step: bool = True,
) -> Network:
    """Recurrent layers of one kind and, with `outputs`, a dense head over the last step.

    Where layers have two directions the head reads the step at which each of them ends. All weights
    are zeros that take no memory.

    Args:
        cell_name: Key of `CELLS`.
        input_size: Values per step.
        hidden_size: Units of a direction.
        layers: Recurrent ones.
        projection: Values that a projection leaves of h; None for no projection.
        outputs: Of the head; None for no head.
        bidirectional: Whether each recurrent layer has a reverse direction too.
        last_step: Whether the head reads one step; else it reads each.

    Raises:
        ModelError: The cell is unknown, a size is not a whole number of at least 1, or the cell has
            no projection.

    >>> shapes("lstm", 40, 64, layers=2, outputs=9).n_parameters
    61001
    """
    if cell_name not in CELLS:
        raise ModelError(f"cell '{cell_name}' is unknown; known: {', '.join(CELLS)}")
    numbers = {"input": input_size, "hidden": hidden_size, "layers": layers}
    optional = {"projection": projection, "outputs": outputs}
    for name, size in (numbers | {k: v for k, v in optional.items() if v is not None}).items():
        if type(size) is not int or not 1 <= size <= LARGEST[name]:
            raise ModelError(
                f"{name} is {size!r}; a whole number from 1 to {LARGEST[name]:,} is needed"
            )
    names = layer_names([cell_name] * layers + ["dense"])
    given = (projection or hidden_size) * (1 + bidirectional)
    made: list[Layer] = []
    for name in names[:-1]:
        both = (name, name + REVERSE)[: 1 + bidirectional]
        sizes = (given if made else input_size, hidden_size)
        made.append(Recurrent(tuple(direction(cell_name, n, sizes, projection) for n in both)))
    if outputs and last_step:
        made.append(ReadSteps(given, ("finals",) if bidirectional else ("last",)))
    if outputs:
        made.append(Dense(names[-1], zeros(outputs, given), zeros(outputs)))
    return Network(tuple(made))


def zeros(*shape: int) -> Floats:
    """Zeros that take no memory."""
    return np.ndarray(shape, np.float32, bytes(4), strides=(0,) * len(shape))


def direction(
    cell_name: str, name: str, sizes: tuple[int, int], projection: int | None
) -> Direction:
    """A direction of zeros; `sizes` are those of the input, and units."""
    spec, (input_size, hidden_size) = CELLS[cell_name], sizes
    rows, n_peepholes = len(spec.gates) * hidden_size, len(spec.peepholes) * hidden_size
    return Direction(
        name,
        cell_name,
        zeros(rows, input_size),
        zeros(rows, projection or hidden_size),
        zeros(rows),
        zeros(rows),
        weight_hr=zeros(projection, hidden_size) if projection else None,
        weight_peephole=zeros(n_peepholes) if n_peepholes else None,
    )


def with_random_weights(network: Network, seed: int = 0) -> Network:
    """The same sizes, weights as PyTorch initialises them: it takes the time of a trained one.

    Args:
        network: From `shapes`.
        seed: Of the weights.
    """
    rng = np.random.default_rng(seed)

    def filled(part: Any, size: int) -> Any:
        bound = size**-0.5
        arrays = {
            name: rng.uniform(-bound, bound, value.shape).astype(np.float32)
            for name, value in part.arrays.items()
        }
        return dataclasses.replace(part, **arrays)

    layers: list[Layer] = []
    for layer in network.layers:
        if isinstance(layer, Recurrent):
            parts = tuple(filled(part, part.hidden_size) for part in layer.parts)
            layers.append(Recurrent(parts))
        else:
            layers.append(filled(layer, layer.input_size) if layer.parts else layer)
    return dataclasses.replace(network, layers=tuple(layers))
