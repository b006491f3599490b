"""A trained network in float32: layers in a row, checked here to fit each other."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.layers import LAYERS
from edgelstm.layers.activation import Activation, LayerNorm
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import agreed_precision, check_names, parts
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import (
    ReadSteps,
    Repeat,
    check_reading,
    fixed_steps,
    reads_last,
)
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.layers.reverse_steps import ReverseSteps
from edgelstm.model.front import check_front, has_front, takes_indices, without_front
from edgelstm.text import counted, network_text

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
class Network:
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

    def __repr__(self) -> str:
        return network_text(self)

    @property
    def last_step(self) -> bool:
        """Whether the result is that of the last step alone, without a time axis."""
        return reads_last(self.layers)

    @property
    def precision(self) -> str:
        """What the layers agree on, or `mixed`."""
        return agreed_precision(self.layers)

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
        return fixed_steps(self.layers)

    @property
    def fixed_steps(self) -> int | None:
        """As `steps`."""
        return self.steps

    @property
    def indices(self) -> bool:
        """Whether x is indices: the first layer is an embedding."""
        return takes_indices(self)

    @property
    def behind(self) -> "Network":
        """The network behind the embedding, the normalisation or the mask in front of it."""
        return self._behind if has_front(self) else self

    @functools.cached_property
    def _behind(self) -> "Network":
        return without_front(self)

    @property
    def dropped_softmax(self) -> bool:
        """Whether the network's final softmax was left off: never in float32."""
        return False

    @property
    def input_size(self) -> int:
        """Values per time step that come in."""
        return self.layers[0].input_size

    @property
    def output_size(self) -> int:
        """Values that go out, per time step or once."""
        return self.layers[-1].output_size

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
