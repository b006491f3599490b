"""Networks of every cell, and what becomes of them as .tflite files of step graphs."""

from typing import Any

import numpy as np

from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import reading
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from tests.networks import (
    bidirectional_network,
    random_bidirectional,
    random_input,
    random_network,
    random_recurrent,
    uniform,
)

AnyNetwork = Network | QuantizedNetwork
STEPS = 13


def dense(name: str, inputs: int, outputs: int, activation: str | None = None) -> Dense:
    rng = np.random.default_rng(inputs)
    weight = uniform(rng, (outputs, inputs), 0.5)
    return Dense(name, weight, uniform(rng, (outputs,), 0.5), activation)


def layer(cell_name: str, inputs: int, hidden: int, name: str, **options: Any) -> Any:
    return random_recurrent(
        cell_name, inputs, hidden, np.random.default_rng(hidden), name=name, **options
    )


def both(cell_name: str, inputs: int, hidden: int, name: str) -> Any:
    return random_bidirectional(cell_name, inputs, hidden, np.random.default_rng(3), name=name)


def network_of(*layers: Any, last_step: bool = False) -> Network:
    return Network(reading(layers, last_step=last_step))


# Beside one network of each cell: layers around and between, what a layer adds, both directions.
MIXED: dict[str, Network] = {
    "dense in front, between and behind": network_of(
        dense("dense1", 4, 6, "relu"),
        layer("gru", 6, 8, "gru1"),
        dense("dense2", 8, 5, "tanh"),
        layer("lstm", 5, 7, "lstm1"),
        dense("dense3", 7, 3, "relu"),
        dense("dense4", 3, 2, "sigmoid"),
    ),
    "projections and a clip": network_of(
        layer("lstm", 4, 8, "lstm1", projection=3),
        layer("lstm_peephole", 3, 6, "lstm2", projection=2, cell_clip=0.2),
        last_step=True,
    ),
    "clip": network_of(layer("lstm_coupled", 4, 8, "lstm1", cell_clip=0.1)),
    "one unit of an odd name": network_of(layer("gru", 1, 1, "a/b ü" * 30), last_step=True),
    "saturating": random_network("gru_reset_before", (5, 16), gain=6.0, seed=4),
    "33 units": random_network("mgu", (3, 33), outputs=2, last_step=True),
    "three layers": random_network("rnn", (4, 5, 6, 3), outputs=2, activation="tanh"),
}
BOTH: dict[str, Network] = {
    "both directions": bidirectional_network("gru", (4, 5)),
    "both directions, last step": bidirectional_network("mgu", (4, 5), outputs=3, last_step=True),
    "both directions twice": network_of(
        both("gru", 4, 5, "gru1"),
        dense("dense1", 10, 6),
        both("rnn", 6, 3, "rnn1"),
        dense("dense2", 6, 2, "sigmoid"),
    ),
    "both directions between": network_of(
        layer("gru", 4, 5, "gru1"),
        dense("dense1", 5, 5, "relu"),
        both("lstm", 5, 4, "lstm1"),
        dense("dense2", 8, 4),
        layer("mgu", 4, 3, "mgu1"),
        dense("dense3", 3, 4),
        last_step=True,
    ),
}


def at(network: Network, precision: str) -> AnyNetwork:
    """The network in a precision, integers in the composed form."""
    if precision == "float32":
        return network
    if precision == "hybrid":
        return quantize(network, None, "hybrid")
    return quantize(network, random_input(network, 4, 30), precision, "composed")
