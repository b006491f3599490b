"""A trained network in float32: layers in a row, checked here to fit each other."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.layers import LAYERS
from edgelstm.layers.activation import Activation, LayerNorm
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import check_names, parts
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import (
    ReadSteps,
    Repeat,
    check_reading,
)
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.layers.reverse_steps import ReverseSteps
from edgelstm.model.front import check_front
from edgelstm.model.sequential import Sequential
from edgelstm.text import counted

Part = Direction | Dense | Activation | LayerNorm | Embedding
Layer = (
    Recurrent[Direction]
    | Dense
    | ReadSteps
    | Repeat
    | ReverseSteps
    | Activation
    | LayerNorm
    | Embedding
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Network(Sequential):
    """Layers in the order in which they run.

    Attributes:
        layers: Of the kinds in `LAYERS`.
        assumed: What the file did not say and `read` assumed, one sentence each.
        input_mean, input_std: x is normalised before the first layer, ``(x - mean) / std``, float32
            (input_size,); None: it is not.
        mask_value: A step of x is one that the trained model leaves out where all its values, or
            its index, are this: `run` and calibration refuse such x. None: the model has no mask.
    """

    layers: tuple[Layer, ...]
    assumed: tuple[str, ...] = ()
    input_mean: NDArray[np.float32] | None = None
    input_std: NDArray[np.float32] | None = None
    mask_value: float | None = None

    def __post_init__(self) -> None:
        if not parts(self.layers):
            raise ModelError("the network has no layers; at least one is needed")
        for layer in self.layers:
            if layer.kind not in LAYERS:
                raise ModelError(
                    f"layer '{layer.name}' is of the kind '{layer.kind}'; known are: "
                    f"{', '.join(LAYERS)}"
                )
        check_names(self.layers)
        for before, layer in zip(self.layers, self.layers[1:], strict=False):
            if layer.input_size != before.output_size:
                raise ModelError(
                    f"layer '{layer.name}' takes {counted(layer.input_size, 'value')}, "
                    f"but '{before.name}' before it gives {before.output_size}"
                )
        check_reading(self.layers)
        check_front(self)

    @property
    def form(self) -> None:
        """What the integers inside are: None, as all values are real."""
        return None

    @property
    def input(self) -> None:
        """Scale of the input's integers: None, as it is real."""
        return None

    @property
    def output(self) -> None:
        """Scale of the result's integers: None, as it is real."""
        return None

    @property
    def steps(self) -> int | None:
        """How many steps x must have, where all of them are read; None: any number."""
        return self.fixed_steps

    @property
    def dropped_softmax(self) -> bool:
        """Whether the network's final softmax was left off: never in float32."""
        return False

    @property
    def n_parameters(self) -> int:
        """Stored weights and biases."""
        return sum(array.size for layer in self.layers for array in layer.arrays.values())


def layer_names(kinds: Iterable[str]) -> list[str]:
    """Names of layers from their cells' names or 'dense', counted per kind in order.

    >>> layer_names(["lstm", "gru_reset_before", "lstm", "dense"])
    ['lstm1', 'gru1', 'lstm2', 'dense1']
    """
    seen: dict[str, int] = {}
    names = []
    for kind in (k.split("_")[0] for k in kinds):
        seen[kind] = seen.get(kind, 0) + 1
        names.append(f"{kind}{seen[kind]}")
    return names
