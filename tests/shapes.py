"""Networks without values, for what shapes alone decide."""

from edgelstm.layers.dense import Dense
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.network import Layer, Network
from edgelstm.model.sizes import direction, zeros


def recurrent(
    cell_name: str, input_size: int, hidden_size: int, name: str = "layer"
) -> Recurrent[Direction]:
    return Recurrent((direction(cell_name, name, (input_size, hidden_size), None),))


def dense(
    input_size: int, output_size: int, activation: str | None = None, name: str = "dense1"
) -> Dense:
    return Dense(name, zeros(output_size, input_size), zeros(output_size), activation)


def one(layer: Layer) -> Network:
    return Network((layer,))


def lstm(input_size: int, hidden_size: int) -> Network:
    return one(recurrent("lstm", input_size, hidden_size))


AD_SIZES = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
AD = Network(
    tuple(
        dense(i, o, "relu", f"dense{k + 1}")
        for k, (i, o) in enumerate(zip(AD_SIZES, AD_SIZES[1:], strict=False))
    )
)
