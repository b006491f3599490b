"""A network from its sizes alone, before any training: enough to count, to fit and to estimate."""

import dataclasses
from typing import Any

import numpy as np

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import reading
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
) -> Network:
    """Recurrent layers of one kind and, with `outputs`, a dense head over the last step.

    All weights are zeros that take no memory.

    Raises:
        ModelError: The cell is unknown, a size is not a whole number of at least 1, or the cell has
            no projection.

    >>> shapes("lstm", 40, 64, layers=2, outputs=9).n_parameters
    61001
    """
    if cell_name not in CELLS:
        raise ModelError(f"cell '{cell_name}' is unknown; known: {', '.join(CELLS)}")
    sizes = {"input": input_size, "hidden": hidden_size, "layers": layers}
    optional = {"projection": projection, "outputs": outputs}
    for name, size in (sizes | {k: v for k, v in optional.items() if v is not None}).items():
        if type(size) is not int or not 1 <= size <= LARGEST[name]:
            raise ModelError(
                f"{name} is {size!r}; a whole number from 1 to {LARGEST[name]:,} is needed"
            )
    names = layer_names([cell_name] * layers + ["dense"])
    given = projection or hidden_size
    made: list[Layer] = [
        Recurrent(
            (direction(cell_name, name, (given if k else input_size, hidden_size), projection),)
        )
        for k, name in enumerate(names[:-1])
    ]
    if outputs:
        made.append(Dense(names[-1], zeros(outputs, given), zeros(outputs)))
    return Network(reading(made, last_step=bool(outputs)))


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
