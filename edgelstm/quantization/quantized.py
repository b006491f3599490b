"""What a quantized network is: integers, one scale per value."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.layers.activation import Activation, LayerNorm
from edgelstm.layers.directions import check_names, computing, parts
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import (
    ReadSteps,
    Repeat,
    check_reading,
)
from edgelstm.layers.recurrent import Recurrent
from edgelstm.layers.reverse_steps import ReverseSteps
from edgelstm.model.front import check_front
from edgelstm.model.sequential import Sequential
from edgelstm.quantization.quantized_activation import QuantizedActivation
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.scales import Scale

QuantizedPart = QuantizedDirection | QuantizedDense | QuantizedActivation
QuantizedLayer = (
    Recurrent[QuantizedDirection]
    | QuantizedDense
    | ReadSteps
    | Repeat
    | ReverseSteps
    | Activation
    | QuantizedActivation
    | LayerNorm
    | Embedding
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class QuantizedNetwork(Sequential):
    """A network in integers; what `run`, `Session` and `write` take beside a `Network`.

    Attributes:
        layers: In the order in which they run.
        steps: Longest calibration sequence; None for files of others.
        dropped_softmax: The network's final softmax was left off: the results are logits.
        assumed, input_mean, input_std, mask_value: As in `network.Network`.
    """

    layers: tuple[QuantizedLayer, ...]
    steps: int | None = None
    dropped_softmax: bool = False
    assumed: tuple[str, ...] = ()
    input_mean: NDArray[np.float32] | None = None
    input_std: NDArray[np.float32] | None = None
    mask_value: float | None = None

    def __post_init__(self) -> None:
        if not parts(self.layers):
            raise ModelError("the network has no layers; at least one is needed")
        check_names(self.layers)
        check_reading(self.layers)
        check_front(self)
        held = computing(self.layers)
        if len({part.form for part in held}) > 1:
            told = ", ".join(f"'{part.name}' {part.form}" for part in held)
            raise ModelError(f"layers have different forms: {told}; a network has one")

    @property
    def form(self) -> str | None:
        """`fused` or `composed`: what every integer inside is; None if hybrid."""
        held = computing(self.layers)
        form: str | None = held[0].form if held else None
        return form

    @property
    def input(self) -> Scale | None:
        """Scale of the network's input; None if hybrid."""
        held = computing(self.layers)
        scale: Scale | None = held[0].input if held else None
        return scale

    @property
    def output(self) -> Scale | None:
        """Scale of the network's result; None if hybrid."""
        return None if self.input is None else computing(self.layers)[-1].output

    @property
    def input_scale(self) -> float:
        """Real size of one step of the input integers."""
        return self._integer("input").scale

    @property
    def input_zero_point(self) -> int:
        """The input integer that stands for 0."""
        return self._integer("input").zero_point

    @property
    def output_scale(self) -> float:
        """Real size of one step of the result's integers."""
        return self._integer("output").scale

    @property
    def output_zero_point(self) -> int:
        """The result's integer that stands for 0."""
        return self._integer("output").zero_point

    def _integer(self, end: str) -> Scale:
        scale: Scale | None = getattr(self, end)
        if scale is None:
            raise ModelError(f"a {self.precision} network has float32 {end}s, without a scale")
        return scale
