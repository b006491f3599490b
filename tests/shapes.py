"""Networks without values, for what shapes alone decide."""

import numpy as np

from edgelstm.cells import CELLS
from edgelstm.network import Dense, Floats, Layer, Network, Recurrent


def zeros(*shape: int) -> Floats:
    """Zeros that take no memory."""
    return np.broadcast_to(np.float32(0), shape)


def recurrent(cell_name: str, input_size: int, hidden_size: int, name: str = "layer") -> Recurrent:
    rows = len(CELLS[cell_name].gates) * hidden_size
    return Recurrent(
        name, cell_name, zeros(rows, input_size), zeros(rows, hidden_size), zeros(rows), zeros(rows)
    )


def dense(
    input_size: int, output_size: int, activation: str | None = None, *, name: str = "dense1"
) -> Dense:
    return Dense(name, zeros(output_size, input_size), zeros(output_size), activation)


def one(layer: Layer) -> Network:
    return Network((layer,), last_step=False)


def lstm(input_size: int, hidden_size: int) -> Network:
    return one(recurrent("lstm", input_size, hidden_size))


AD_SIZES = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
AD = Network(
    tuple(
        dense(i, o, "relu", name=f"dense{k}")
        for k, (i, o) in enumerate(zip(AD_SIZES, AD_SIZES[1:], strict=False), 1)
    ),
    last_step=False,
)
