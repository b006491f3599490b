"""Activations that become a part of the dense layer in front of them, before it is quantized.

One that does not is what integers have of it.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from edgelstm.layers.activation import Activation
from edgelstm.layers.dense import Dense


def folded(layers: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same layers, with what `FOLDS` names folded into dense layers without an activation."""
    found: list[Any] = []
    for layer in layers:
        before = found[-1] if found else None
        fold = FOLDS.get(layer.function) if isinstance(layer, Activation) else None
        if fold and isinstance(before, Dense) and before.activation is None:
            found[-1:] = fold(before, layer)
        elif isinstance(layer, Activation) and layer.function == "relu":
            found.append(Activation(layer.name, layer.input_size, "clamp", (0.0, math.inf)))
        else:
            found.append(layer)
    return tuple(found)


def _own(dense: Dense, layer: Activation) -> tuple[Any, ...]:
    return (dataclasses.replace(dense, activation=layer.function),)


def _scaled(dense: Dense, layer: Activation) -> tuple[Any, ...]:
    """Slope and middle of a hard_sigmoid in weights and bias, then a clip to 0..1."""
    slope, middle = layer.constants
    weight, bias = dense.weight * slope, dense.bias * slope + middle
    clip = Activation(layer.name, layer.input_size, "clamp", (0.0, 1.0))
    return dataclasses.replace(dense, weight=weight, bias=bias), clip


# Function to what it and the dense layer in front of it become.
FOLDS: dict[str, Callable[[Dense, Activation], tuple[Any, ...]]] = {
    "relu": _own,
    "sigmoid": _own,
    "tanh": _own,
    "hard_sigmoid": _scaled,
}
