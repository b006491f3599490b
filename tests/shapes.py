"""Networks without values, for what shapes alone decide."""

import dataclasses

from edgelstm.model.network import Dense, Layer, Network, Recurrent
from edgelstm.model.sizes import shapes, zeros


def recurrent(cell_name: str, input_size: int, hidden_size: int, name: str = "layer") -> Recurrent:
    layer = shapes(cell_name, input_size, hidden_size).layers[0]
    assert isinstance(layer, Recurrent)
    return dataclasses.replace(layer, name=name)


def dense(
    input_size: int, output_size: int, activation: str | None = None, name: str = "dense1"
) -> Dense:
    return Dense(name, zeros(output_size, input_size), zeros(output_size), activation)


def one(layer: Layer) -> Network:
    return Network((layer,), last_step=False)


def lstm(input_size: int, hidden_size: int) -> Network:
    return one(recurrent("lstm", input_size, hidden_size))


AD_SIZES = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
AD = Network(
    tuple(
        dense(i, o, "relu", f"dense{k + 1}")
        for k, (i, o) in enumerate(zip(AD_SIZES, AD_SIZES[1:], strict=False))
    ),
    last_step=False,
)
