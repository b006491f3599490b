"""A trained network in float32, with PyTorch's names and shapes, which are checked here."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.cells.spec import CellSpec
from edgelstm.errors import ModelError
from edgelstm.layers.directions import REVERSE, check_directions, check_names
from edgelstm.layers.weights import check_matrix, check_values, survives_float32
from edgelstm.text import counted, layer_text, network_text

Floats = NDArray[np.float32]

ACTIVATIONS = ("relu", "sigmoid", "softmax")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Recurrent:
    """One recurrent layer. Its arrays are not changed: kernels keep the weights as they found them.

    Attributes:
        name: `lstm1`, `gru1`, ...: how errors and tables call it.
        cell_name: Key of `CELLS`.
        weight_ih: (n_gates * hidden_size, input_size), gates in the order of the cell's `gates`.
        weight_hh: (n_gates * hidden_size, output_size).
        bias_ih, bias_hh: (n_gates * hidden_size,).
        cell_clip: The cell state is cut to +-cell_clip in each step; 0 leaves it as it is.
        weight_hr: (projection_size, hidden_size): h is multiplied by it, in each step, before
            anything reads it (PyTorch's `proj_size`); None for no projection.
        weight_peephole: (n_peepholes * hidden_size,), for cells that have `peepholes`.
    """

    name: str
    cell_name: str
    weight_ih: Floats
    weight_hh: Floats
    bias_ih: Floats
    bias_hh: Floats
    cell_clip: float = 0.0
    weight_hr: Floats | None = None
    weight_peephole: Floats | None = None

    def __post_init__(self) -> None:
        if self.cell_name not in CELLS:
            raise ModelError(
                f"layer '{self.name}': cell '{self.cell_name}' is unknown; "
                f"known: {', '.join(CELLS)}"
            )
        check_matrix(self.name, "weight_ih", self.weight_ih)
        check_matrix(self.name, "weight_hh", self.weight_hh)
        if self.weight_hr is not None:
            check_matrix(self.name, "weight_hr", self.weight_hr)
        self._check_options()
        rows = len(self.spec.gates) * self.hidden_size
        self._check_shape("weight_hh", (rows, self.output_size))
        self._check_shape("weight_ih", (rows, self.input_size))
        self._check_shape("bias_ih", (rows,))
        self._check_shape("bias_hh", (rows,))
        if self.weight_peephole is not None:
            self._check_shape("weight_peephole", (len(self.spec.peepholes) * self.hidden_size,))
        for name, array in arrays(self).items():
            check_values(self.name, name, array)

    def __repr__(self) -> str:
        return layer_text(self.name, self.cell_name, self)

    def _check_options(self) -> None:
        """What not every cell has: projection, peepholes, cell clip."""
        if self.weight_hr is not None and "c" not in self.spec.states:
            raise ModelError(
                f"layer '{self.name}': a {self.cell_name} has no projection (weight_hr); LSTMs do"
            )
        if bool(self.spec.peepholes) != (self.weight_peephole is not None):
            needs = "needs" if self.spec.peepholes else "has no"
            raise ModelError(f"layer '{self.name}': a {self.cell_name} {needs} weight_peephole")
        if self.cell_clip != 0 and not survives_float32(self.cell_clip):
            raise ModelError(
                f"layer '{self.name}': cell_clip is {self.cell_clip}; 0 (no clip) or more, in "
                "float32, is needed"
            )
        if self.cell_clip and "c" not in self.spec.states:
            raise ModelError(
                f"layer '{self.name}': a {self.cell_name} has no cell state for cell_clip to cut"
            )

    def _check_shape(self, name: str, needed: tuple[int, ...]) -> None:
        shape = getattr(self, name).shape
        if shape != needed:
            raise ModelError(
                f"layer '{self.name}': {name} has shape {shape}; "
                f"a {self.cell_name} of hidden_size {self.hidden_size} needs {needed}"
            )

    @property
    def spec(self) -> CellSpec:
        """The cell's description."""
        return CELLS[self.cell_name]

    @property
    def input_size(self) -> int:
        """Values per time step that come in."""
        return int(self.weight_ih.shape[1])

    @property
    def hidden_size(self) -> int:
        """Units."""
        return int((self.weight_hh if self.weight_hr is None else self.weight_hr).shape[1])

    @property
    def projection_size(self) -> int:
        """Values that a projection leaves of h; 0 without one."""
        return 0 if self.weight_hr is None else int(self.weight_hr.shape[0])

    @property
    def output_size(self) -> int:
        """Values per time step that go out, and that weight_hh reads: the state h."""
        return self.projection_size or self.hidden_size

    def state_size(self, state: str) -> int:
        """Values of a state."""
        return self.output_size if state == self.spec.states[0] else self.hidden_size


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Bidirectional:
    """Two recurrent layers on the same sequence, outputs side by side, forward first.

    Attributes:
        forward: Gives the layer its name.
        backward: Reads from the last step to the first; named as forward with `REVERSE` behind.
    """

    forward: Recurrent
    backward: Recurrent

    def __post_init__(self) -> None:
        check_directions(self.forward, self.backward)

    def __repr__(self) -> str:
        return layer_text(self.name, f"bidirectional {self.forward.cell_name}", self)

    @property
    def directions(self) -> tuple[Recurrent, Recurrent]:
        """Forward, then backward."""
        return self.forward, self.backward

    @property
    def name(self) -> str:
        """Of the layer."""
        return self.forward.name

    @property
    def input_size(self) -> int:
        """Values per time step that come in."""
        return self.forward.input_size

    @property
    def output_size(self) -> int:
        """Values per time step that go out, of both directions side by side."""
        return self.forward.output_size + self.backward.output_size


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Dense:
    """A dense layer: ``activation(weight @ x + bias)``.

    Attributes:
        name: `dense1`, ...
        weight: (output_size, input_size).
        bias: (output_size,).
        activation: One of `ACTIVATIONS`, or None.
    """

    name: str
    weight: Floats
    bias: Floats
    activation: str | None = None

    def __post_init__(self) -> None:
        check_matrix(self.name, "weight", self.weight)
        if self.bias.shape != (self.output_size,):
            raise ModelError(
                f"layer '{self.name}': bias has shape {self.bias.shape}; "
                f"a dense layer with {counted(self.output_size, 'output')} needs "
                f"({self.output_size},)"
            )
        check_values(self.name, "weight", self.weight)
        check_values(self.name, "bias", self.bias)
        if self.activation is not None and self.activation not in ACTIVATIONS:
            raise ModelError(
                f"layer '{self.name}': activation '{self.activation}' is not supported; "
                f"supported: {', '.join(ACTIVATIONS)}"
            )

    def __repr__(self) -> str:
        return layer_text(self.name, "dense", self)

    @property
    def input_size(self) -> int:
        """Values that come in."""
        return int(self.weight.shape[1])

    @property
    def output_size(self) -> int:
        """Values that go out."""
        return int(self.weight.shape[0])


Layer = Recurrent | Bidirectional | Dense


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Network:
    """Layers in the order in which they run.

    Attributes:
        layers: Recurrent, bidirectional and dense layers.
        last_step: The layers behind the last recurrent one see its last time step alone, and the
            result has no time axis.
        assumed: What the file did not say and `read` assumed, one sentence each.
    """

    layers: tuple[Layer, ...]
    last_step: bool
    assumed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.layers:
            raise ModelError("the network has no layers; at least one is needed")
        check_names(self.layers)
        for before, layer in zip(self.layers, self.layers[1:], strict=False):
            if layer.input_size != before.output_size:
                raise ModelError(
                    f"layer '{layer.name}' takes {counted(layer.input_size, 'value')}, "
                    f"but '{before.name}' before it gives {before.output_size}"
                )
        if self.last_step and not split_point(self.layers):
            raise ModelError(
                "a network of dense layers alone has no last step to select; "
                "use --head each (last_step=False)"
            )

    def __repr__(self) -> str:
        return network_text("float32", self.layers, self.last_step)

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
        return sum(array.size for layer in self.layers for array in arrays(layer).values())


def arrays(layer: Layer) -> dict[str, Floats]:
    """The layer's weights and biases by their names."""
    if isinstance(layer, Dense):
        return {"weight": layer.weight, "bias": layer.bias}
    if isinstance(layer, Bidirectional):
        reverse = {name + REVERSE: array for name, array in arrays(layer.backward).items()}
        return arrays(layer.forward) | reverse
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "weight_peephole"]
    return {k: getattr(layer, k) for k in names if getattr(layer, k) is not None}


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


def split_point(layers: Iterable[object]) -> int:
    """How many layers run on every step when `last_step` is set: up to the last recurrent one."""
    dense = (hasattr(layer, "activation") for layer in layers)
    return max((k + 1 for k, is_dense in enumerate(dense) if not is_dense), default=0)
